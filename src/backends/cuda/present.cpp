// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "backends/cuda/attention.h"
#include "backends/cuda/backend.h"
#include "backends/cuda/compiled_plans.h"
#include "backends/cuda/conv.h"
#include "backends/cuda/device.h"
#include "backends/cuda/eltwise.h"
#include "backends/cuda/error.h"
#include "backends/cuda/layout.h"
#include "backends/cuda/matmul.h"
#include "backends/cuda/numbers.h"
#include "backends/cuda/simple.h"
#include "backends/cuda/storage.h"
#include "base/check.h"

namespace tfengine::cuda {

namespace {

struct Lowering {
  const char* op;
  Tactics (*tactics)(const StepSpec&);  // null: a convolution or product
  bool int8;                            // has an INT8 form
};

constexpr Lowering kLowerings[] = {
    {"Conv2D", nullptr, true},
    {"DepthwiseConv2dNative", nullptr, true},
    {"MatMul", nullptr, true},
    {"BatchMatMulV2", nullptr, false},
    {"MaxPool", pool_tactics, true},
    {"AvgPool", pool_tactics, true},
    {"Mean", reduce_tactics, true},
    {"Sum", reduce_tactics, false},
    {"Max", reduce_tactics, false},
    {"Min", reduce_tactics, false},
    {"Prod", reduce_tactics, false},
    {"BatchNormAffine", affine_tactics, true},
    {"Attention", attention_tactics, false},
    {"Softmax", softmax_tactics, false},
    {"LogSoftmax", softmax_tactics, false},
    {"LayerNorm", layer_norm_tactics, false},
    {"Quantize", convert_tactics, true},
    {"Dequantize", convert_tactics, true},
    {"Requantize", convert_tactics, true},
    {"Cast", convert_tactics, false},
    {"ConcatV2", concat_tactics, true},
    {"Reshape", reshape_tactics, true},
    {"Squeeze", reshape_tactics, true},
    {"ExpandDims", reshape_tactics, true},
    {"Transpose", pick_tactics, true},
    {"Slice", pick_tactics, true},
    {"StridedSlice", pick_tactics, true},
    {"Split", pick_tactics, true},
    {"SplitV", pick_tactics, true},
    {"Unpack", pick_tactics, true},
    {"Pad", pad_tactics, true},
    {"ResizeNearestNeighbor", resize_tactics, true},
    {"ResizeBilinear", resize_tactics, true},
    {"GatherV2", gather_tactics, true},
    {"Fill", fill_tactics, false},
};

const Lowering* find(const std::string& op) {
  static constexpr Lowering kNumbers{"", number_tactics, false};
  static constexpr Lowering kUnary{"", unary_tactics, true};
  static constexpr Lowering kBinary{"", binary_tactics, true};
  const auto* found =
      std::find_if(std::begin(kLowerings), std::end(kLowerings), [&](const Lowering& row) { return op == row.op; });
  if (found != std::end(kLowerings)) return found;
  if (is_number_op(op)) return &kNumbers;
  if (is_unary(op)) return &kUnary;
  if (is_binary(op)) return &kBinary;
  return nullptr;
}

// Not one of rows with constant weights, which is a convolution of 1 x 1.
bool is_general_product(const StepSpec& spec) {
  if (spec.node->op == "BatchMatMulV2") return true;
  return spec.node->op == "MatMul" && (!spec.constants[1].defined() || spec.constants[0].defined() ||
                                       spec.node->attr_or<bool>("transpose_a", false));
}

bool has_unsigned(const StepSpec& spec) {
  const auto u8 = [](const TensorDesc& desc) { return desc.dtype == DType::U8 && desc.quant.defined(); };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), u8) ||
         std::any_of(spec.outputs.begin(), spec.outputs.end(), u8);
}

class CudaBackend : public plan::Backend {
 public:
  // What it is given outlives it.
  CudaBackend(const Gpu& gpu, CompiledPlans& plans, FloatStorage floats)
      : device_(gpu), plans_(plans), floats_(floats) {}

  std::string name() const override { return "cuda"; }
  const plan::Device* device() const override { return &device_; }

  std::variant<std::vector<Tactic>, Refusal> tactics(const StepSpec& spec) const override {
    const Lowering* lowering = find(spec.node->op);
    if (lowering == nullptr) return Refusal{fmt::format("{} has no form on the GPU", spec.node->op)};
    if (spec.outputs[0].shape.elements() == 0) return Refusal{"its output is empty"};
    if (has_unsigned(spec)) return Refusal{"its tensors are unsigned 8-bit integers, which the GPU has no products of"};
    if (lowering->tactics != nullptr) return lowering->tactics(spec);
    return is_general_product(spec) ? matmul_tactics(spec, floats_) : conv_tactics(spec, plans_, floats_);
  }

  std::optional<Refusal> refuses(const ir::Graph& graph, const ir::Node& node) const override {
    if (find(node.op) == nullptr) return Refusal{fmt::format("{} has no form on the GPU", node.op)};
    return node.op == "Attention" ? refuses_attention(graph, node, floats_) : std::nullopt;
  }

  std::optional<Refusal> refuses_int8(const ir::Graph& graph, const ir::Node& node) const override {
    if (node.denylisted) return Refusal{"it is in nodes_denylist"};
    if (auto refusal = refuses(graph, node)) return refusal;
    if (!find(node.op)->int8) return Refusal{fmt::format("{} has no INT8 form on the GPU", node.op)};
    return std::nullopt;
  }

  std::optional<Refusal> refuses_zero_point(const ir::Graph&, const ir::Node&, int) const override {
    return Refusal{"the GPU's products are of integers without a zero point"};
  }

  bool takes_strided_input(const StepSpec&, int) const override { return false; }
  bool takes_strided_output(const StepSpec&) const override { return false; }

  void lay_out(const ir::Graph& graph, std::vector<TensorDesc>& descs) const override {
    cuda::lay_out(graph, floats_, descs);
  }

  void measured(const StepSpec& spec, std::span<const Tactic* const> tactics,
                std::span<const double> times_us) const override {
    std::vector<std::pair<std::string, double>> times;
    for (size_t i = 0; i < tactics.size(); ++i) {
      if (tactics[i]->name.starts_with("cudnn:")) times.emplace_back(tactics[i]->name, times_us[i]);
    }
    if (!times.empty()) plans_.measured(spec.inputs[0].shape[0], times);
  }

  void planned() const override { plans_.forget(); }

 private:
  const Gpu& device_;
  CompiledPlans& plans_;
  FloatStorage floats_;
};

// A GPU and the backends that use it.
struct GpuBackends {
  GpuBackends(int index, const std::string& libraries)
      : gpu(index, libraries),
        plans(index),
        single(gpu, plans, FloatStorage::Single),
        half(gpu, plans, FloatStorage::Half) {}
  Gpu gpu;
  CompiledPlans plans;
  CudaBackend single, half;
};

int driver_version() {
  int version = 0;
  (void)cudaDriverGetVersion(&version);
  return version;
}

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

int gpu_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

struct Backends {
  std::mutex mutex;
  std::map<int, std::unique_ptr<GpuBackends>> by_gpu;
};

const GpuBackends& backends_of(int index) {
  static Backends& all = *new Backends;  // the driver may be gone before the process's statics are
  const std::lock_guard lock(all.mutex);
  std::unique_ptr<GpuBackends>& slot = all.by_gpu[index];
  if (slot != nullptr) return *slot;
  const std::string absent = why_absent();
  if (!absent.empty()) fail<InvalidArgument>("device 'cuda': {}", absent);
  if (index < 0 || index >= gpu_count()) {
    fail<InvalidArgument>("device 'cuda:{}': there are {} GPUs, numbered from 0", index, gpu_count());
  }
  const CudnnApi& api = cudnn();
  slot = std::make_unique<GpuBackends>(index,
                                       fmt::format("cuDNN {}, driver {}", api.version, version_text(driver_version())));
  return *slot;
}

}  // namespace

std::string why_absent() {
  const int found = driver_version();
  if (found == 0) return "the NVIDIA driver (libcuda.so.1) was not found";
  if (found < CUDART_VERSION / 1000 * 1000) {
    return fmt::format("the NVIDIA driver is for CUDA {}, needed {}.0 or newer", version_text(found),
                       CUDART_VERSION / 1000);
  }
  return gpu_count() == 0 ? "the driver shows no GPU" : "";
}

const plan::Backend& cuda_backend(int index, FloatStorage floats) {
  const GpuBackends& all = backends_of(index);
  return floats == FloatStorage::Half ? all.half : all.single;
}

std::vector<GpuInfo> list_gpus() {
  std::vector<GpuInfo> list;
  for (int i = 0; i < gpu_count(); ++i) {
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, i), "asking for a GPU's properties");
    list.push_back(
        {i, properties.name, fmt::format("{}.{}", properties.major, properties.minor), properties.totalGlobalMem});
  }
  return list;
}

void set_memory_limit(int index, const GpuMemoryOptions& options) { backends_of(index).gpu.pool().configure(options); }
AllocatorStats memory_stats(int index) { return backends_of(index).gpu.pool().stats(); }
uint64_t memory_limit_bytes(int index) { return backends_of(index).gpu.pool().limit_bytes(); }

void wait(int index, Stream stream) {
  const UseGpu use(backends_of(index).gpu.index());
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "waiting for the GPU");
}

namespace {

void copy(int index, void* to, const void* from, size_t bytes, cudaMemcpyKind kind, Stream stream) {
  const UseGpu use(backends_of(index).gpu.index());
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream)), "copying a tensor");
  check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "waiting for the GPU");
}

}  // namespace

void upload(int index, void* device, const void* host, size_t bytes, Stream stream) {
  copy(index, device, host, bytes, cudaMemcpyHostToDevice, stream);
}
void download(int index, void* host, const void* device, size_t bytes, Stream stream) {
  copy(index, host, device, bytes, cudaMemcpyDeviceToHost, stream);
}

}  // namespace tfengine::cuda
