// SPDX-License-Identifier: Apache-2.0
#include "backends/onednn/dnnl_kernel.h"

#include <omp.h>

#include <cstring>
#include <mutex>

#include <fmt/core.h>

#include "backends/onednn/dnnl_errors.h"
#include "base/check.h"

namespace tfengine::onednn {

using dnnl::memory;

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type dnnl_type(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return memory::data_type::f32;
    case DType::BF16:
      return memory::data_type::bf16;
    case DType::S8:
      return memory::data_type::s8;
    case DType::U8:
      return memory::data_type::u8;
    case DType::S32:
      return memory::data_type::s32;
    default:
      return memory::data_type::undef;
  }
}

memory::desc image_desc(const TensorDesc& desc) {
  const auto& s = desc.shape;
  const int64_t pixel = desc.pixel_stride;
  return memory::desc({s[0], s[3], s[1], s[2]}, dnnl_type(desc.dtype),
                      memory::dims{s[1] * s[2] * pixel, 1, s[2] * pixel, pixel});
}

memory::desc matrix_desc(const TensorDesc& desc, int64_t rows, int64_t cols) {
  const int64_t pitch = desc.dense() ? cols : desc.pixel_stride;
  return memory::desc({rows, cols}, dnnl_type(desc.dtype), memory::dims{pitch, 1});
}

namespace {

// Some 3 us of one core with AVX-512. Threads that sleep between steps (OMP_WAIT_POLICY=passive) take ten times as long to
// wake, and those that spin 1 to 2 us.
constexpr double kMostAlone = 1 << 17;

void expect(dnnl_status_t status, const char* what) {
  if (status == dnnl_out_of_memory)
    throw OutOfMemory(fmt::format("out of memory: oneDNN: {} failed", what), 0, UINT64_MAX);
  if (status != dnnl_success)
    throw BackendFailure(fmt::format("oneDNN: {} failed with status {}", what, static_cast<int>(status)), status);
}

class BoundPrimitive : public plan::BoundKernel {
 public:
  BoundPrimitive(dnnl::primitive primitive, const std::vector<DnnlArg>& args, bool alone, const StepArgs& addresses)
      : primitive_(std::move(primitive)), args_(args), alone_(alone), stream_(cpu_engine()) {
    for (const DnnlArg& arg : args_) {
      memories_.emplace_back(arg.desc, cpu_engine(), address(arg, addresses));
      exec_.push_back({arg.id, memories_.back().get()});
    }
  }
  void run() override {
    const Alone team(alone_);
    expect(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(exec_.size()), exec_.data()),
           "execution");
  }
  void rebind(const StepArgs& addresses) override {
    translated([&] {
      for (size_t i = 0; i < args_.size(); ++i) memories_[i].set_data_handle(address(args_[i], addresses));
    });
  }

 private:
  static void* address(const DnnlArg& arg, const StepArgs& addresses) {
    switch (arg.from) {
      case DnnlArg::From::Src:
        return const_cast<void*>(addresses.src[static_cast<size_t>(arg.index)]);
      case DnnlArg::From::Dst:
        return addresses.dst[static_cast<size_t>(arg.index)];
      case DnnlArg::From::Block:
        return const_cast<void*>(arg.block.get());
      case DnnlArg::From::Workspace:
        return addresses.workspace;
    }
    return nullptr;
  }
  dnnl::primitive primitive_;
  const std::vector<DnnlArg>& args_;
  bool alone_;
  dnnl::stream stream_;
  std::vector<memory> memories_;
  std::vector<dnnl_exec_arg_t> exec_;
};

class PrimitiveKernel : public plan::Kernel {
 public:
  PrimitiveKernel(dnnl::primitive primitive, std::vector<DnnlArg> args, bool alone)
      : primitive_(std::move(primitive)), args_(std::move(args)), alone_(alone) {}
  std::unique_ptr<plan::BoundKernel> bind(const StepArgs& addresses) const override {
    return translated([&] { return std::make_unique<BoundPrimitive>(primitive_, args_, alone_, addresses); });
  }
  bool reads(int input) const override {
    return std::any_of(args_.begin(), args_.end(),
                       [&](const DnnlArg& arg) { return arg.from == DnnlArg::From::Src && arg.index == input; });
  }
  std::span<const std::byte> weights() const override {
    for (const DnnlArg& arg : args_) {
      if (arg.id == DNNL_ARG_WEIGHTS && arg.from == DnnlArg::From::Block) {
        return {static_cast<const std::byte*>(arg.block.get()), arg.desc.get_size()};
      }
    }
    return {};
  }

 private:
  dnnl::primitive primitive_;
  std::vector<DnnlArg> args_;
  bool alone_;
};

// A small number standing for a descriptor: equal descriptors get the same one.
size_t desc_id(const memory::desc& desc) {
  static std::mutex mutex;
  static std::vector<memory::desc> known;
  const std::lock_guard lock(mutex);
  for (size_t i = 0; i < known.size(); ++i) {
    if (known[i] == desc) return i;
  }
  known.push_back(desc);
  return known.size() - 1;
}

// Appends the activation; false when oneDNN has no such post-op.
bool append_activation(dnnl::post_ops& ops, const Act& act) {
  using dnnl::algorithm;
  switch (act.kind) {
    case ActKind::None:
      return true;
    case ActKind::Relu:
      ops.append_eltwise(algorithm::eltwise_relu, 0.0f, 0.0f);
      return true;
    case ActKind::LeakyRelu:
      ops.append_eltwise(algorithm::eltwise_relu, act.alpha, 0.0f);
      return true;
    case ActKind::Clip:
      ops.append_eltwise(algorithm::eltwise_clip, act.alpha, act.beta);
      return true;
    case ActKind::Elu:
      ops.append_eltwise(algorithm::eltwise_elu, act.alpha, 0.0f);
      return true;
    case ActKind::Sigmoid:
      ops.append_eltwise(algorithm::eltwise_logistic, 0.0f, 0.0f);
      return true;
    case ActKind::Tanh:
      ops.append_eltwise(algorithm::eltwise_tanh, 0.0f, 0.0f);
      return true;
    case ActKind::Swish:
      ops.append_eltwise(algorithm::eltwise_swish, 1.0f, 0.0f);
      return true;
    case ActKind::HardSwish:
      ops.append_eltwise(algorithm::eltwise_hardswish, 1.0f / 6.0f, 0.5f);
      return true;
    case ActKind::HardSigmoid:
      ops.append_eltwise(algorithm::eltwise_hardsigmoid, 1.0f / 6.0f, 0.5f);
      return true;
    case ActKind::GeluErf:
      ops.append_eltwise(algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
      return true;
    case ActKind::GeluTanh:
      ops.append_eltwise(algorithm::eltwise_gelu_tanh, 0.0f, 0.0f);
      return true;
    case ActKind::Softplus:
      ops.append_eltwise(algorithm::eltwise_soft_relu, 1.0f, 0.0f);
      return true;
  }
  return false;
}

}  // namespace

Alone::Alone(bool alone) {
  if (!alone) return;
  team_ = omp_get_max_threads();
  omp_set_num_threads(1);
}

Alone::~Alone() {
  if (team_ > 0) omp_set_num_threads(team_);
}

bool better_alone(double multiplications) { return multiplications <= kMostAlone; }

std::shared_ptr<const plan::Kernel> dnnl_kernel(dnnl::primitive primitive, std::vector<DnnlArg> args, bool alone) {
  return std::make_shared<PrimitiveKernel>(std::move(primitive), std::move(args), alone);
}

DnnlFusion fuse(const StepSpec& spec, bool int8, int weights_scale_mask) {
  DnnlFusion fusion;
  const ir::Epilogue& fused = spec.node->epilogue;
  fusion.attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  if (!append_activation(ops, fused.before_add)) fusion.refusal = Refusal{"activation not available as a post-op"};
  if (fused.residual != ir::kNone) {
    const TensorDesc& residual = spec.inputs[static_cast<size_t>(fused.residual)];
    const TensorDesc& dst = spec.outputs[0];
    if (dtype_bytes(residual.dtype) != dtype_bytes(dst.dtype) || residual.shape != dst.shape || !residual.dense() ||
        !dst.dense()) {
      fusion.refusal = Refusal{"the residual cannot be summed in place: its type or layout differs from the output's"};
      return fusion;
    }
    ops.append_sum(scale_of(residual), 0, dnnl_type(residual.dtype));
    fusion.sum = true;
  }
  if (!append_activation(ops, fused.after_add)) fusion.refusal = Refusal{"activation not available as a post-op"};
  fusion.attr.set_post_ops(ops);
  if (int8) {
    fusion.attr.set_scales_mask(DNNL_ARG_SRC, 0);
    fusion.attr.set_scales_mask(DNNL_ARG_WEIGHTS, weights_scale_mask);
    if (is_int8(spec.outputs[0].dtype)) fusion.attr.set_scales_mask(DNNL_ARG_DST, 0);
  }
  return fusion;
}

std::shared_ptr<const void> packed_weights(PackedStore& store, const Tensor& weights, const memory::desc& given,
                                           const memory::desc& wanted) {
  const std::string form = fmt::format("dnnl {} from {}", desc_id(wanted), desc_id(given));
  return store.get(weights, form, wanted.get_size(), [&](void* to) {
    memory from(given, cpu_engine(), const_cast<void*>(weights.data()));
    memory packed(wanted, cpu_engine(), to);
    dnnl::stream stream(cpu_engine());
    dnnl::reorder(from, packed).execute(stream, from, packed);
    stream.wait();
  });
}

std::shared_ptr<const void> packed_floats(PackedStore& store, const std::vector<float>& values) {
  std::string form = "floats ";
  form.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return store.get(Tensor(), form, values.size() * sizeof(float),
                   [&](void* to) { std::memcpy(to, values.data(), values.size() * sizeof(float)); });
}

bool int8_is_exact() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto vnni = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
  const auto vnni2 = static_cast<unsigned>(dnnl::cpu_isa::avx2_vnni);
  return (isa & vnni) == vnni || (isa & vnni2) == vnni2;
}

bool is_exact_int8(const std::string& implementation) {
  return implementation.find("vnni") != std::string::npos || implementation.find("amx") != std::string::npos;
}

bool has_bf16() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto bf16 = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & bf16) == bf16;
}

}  // namespace tfengine::onednn
