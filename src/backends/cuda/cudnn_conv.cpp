// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cudnn_conv.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "backends/cuda/descriptor.h"
#include "backends/cuda/error.h"
#include "base/check.h"

namespace tfengine::cuda {

namespace {

// Names of a graph's tensors; those above kVirtual stay inside it.
enum Uid : int64_t { kX = 1, kW, kY, kScale, kBias, kResidual, kResidualScale, kPost, kConstant, kVirtual = 100 };

constexpr int64_t kTensorAlignment = 16;
// As many proposals of each kind of heuristics, and as many configurations of one engine, are looked at.
constexpr int64_t kMostProposals = 8;
constexpr int64_t kMostConfigs = 96;

Descriptor tensor(int64_t uid, cudnnDataType_t type, const std::array<int64_t, 4>& nchw, bool is_virtual) {
  const auto [n, c, h, w] = nchw;
  Descriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, nchw)
      .set(CUDNN_ATTR_TENSOR_STRIDES, std::array<int64_t, 4>{h * w * c, 1, w * c, c})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kTensorAlignment)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
  made.finalize();
  return made;
}

// Builds the operations one behind the other; the latest result is what the next one takes.
class GraphBuilder {
 public:
  // Operations are made from references into the lists, which must not move.
  explicit GraphBuilder(const ConvProblem& problem) : p_(problem) {
    for (auto* list : {&inputs_, &results_, &operations_, &parts_}) list->reserve(16);
  }

  Descriptor build(CudnnHandle& handle) {
    convolve();
    if (p_.scaled != 0) with_vector(CUDNN_POINTWISE_MUL, kScale);
    if (p_.biased != 0) with_vector(CUDNN_POINTWISE_ADD, kBias);
    activate(static_cast<ActKind>(p_.before), p_.before_alpha, p_.before_beta);
    if (p_.residual >= 0) add_residual();
    activate(static_cast<ActKind>(p_.after), p_.after_alpha, p_.after_beta);
    if (p_.posted != 0) with_scalar(CUDNN_POINTWISE_MUL, kPost);
    finish();
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    const cudnnHandle_t raw = handle.get();
    graph.set_raw(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &raw);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations_);
    graph.finalize();
    return graph;
  }

 private:
  std::array<int64_t, 4> out_dims() const { return {p_.n, p_.k, p_.out_h, p_.out_w}; }
  cudnnDataType_t source() const { return static_cast<cudnnDataType_t>(p_.src); }

  // A step's operation is made once it is known whether its result is the last one, and so the graph's.
  void then(std::function<Descriptor(const Descriptor& y)> make, cudnnDataType_t inner = CUDNN_DATA_FLOAT) {
    if (pending_) {
      results_.push_back(tensor(kVirtual + static_cast<int64_t>(results_.size()), pending_type_, out_dims(), true));
      operations_.push_back(pending_(results_.back()));
    }
    pending_ = std::move(make);
    pending_type_ = inner;
  }

  void finish() {
    results_.push_back(tensor(kY, static_cast<cudnnDataType_t>(p_.dst), out_dims(), false));
    operations_.push_back(pending_(results_.back()));
  }

  // The latest result; valid while a step's operation is made, when the one before it is there.
  const Descriptor& before_last() const { return results_[results_.size() - 2]; }

  void convolve() {
    const bool int8 = source() == CUDNN_DATA_INT8;
    const cudnnDataType_t compute = int8 ? CUDNN_DATA_INT32 : CUDNN_DATA_FLOAT;
    then(
        [this, compute](const Descriptor& y) {
          inputs_.push_back(tensor(kX, source(), {p_.n, p_.c, p_.h, p_.w}, false));
          const Descriptor& x = inputs_.back();
          inputs_.push_back(tensor(kW, source(), {p_.k, p_.c / p_.groups, p_.kernel_h, p_.kernel_w}, false));
          Descriptor conv(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
          const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
          conv.set_raw(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
              .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, compute)
              .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
              .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::array<int64_t, 2>{p_.stride_h, p_.stride_w})
              .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::array<int64_t, 2>{p_.dilation_h, p_.dilation_w})
              .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::array<int64_t, 2>{p_.pad_top, p_.pad_left})
              .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::array<int64_t, 2>{p_.pad_bottom, p_.pad_right});
          conv.finalize();
          Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
          operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
              .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, inputs_.back())
              .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
              .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv)
              .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f)
              .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
          operation.finalize();
          parts_.push_back(std::move(conv));
          return operation;
        },
        compute);
  }

  Descriptor pointwise(Descriptor mode, const Descriptor& x, const Descriptor* b, const Descriptor& y) {
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (b != nullptr) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
    operation.finalize();
    parts_.push_back(std::move(mode));
    return operation;
  }

  static Descriptor plain_mode(cudnnPointwiseMode_t mode) {
    Descriptor made(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    made.set_raw(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    return made;
  }
  static Descriptor finished_mode(cudnnPointwiseMode_t mode) {
    Descriptor made = plain_mode(mode);
    made.finalize();
    return made;
  }

  void with(cudnnPointwiseMode_t mode, int64_t uid, int64_t channels) {
    then([this, mode, uid, channels](const Descriptor& y) {
      inputs_.push_back(tensor(uid, CUDNN_DATA_FLOAT, {1, channels, 1, 1}, false));
      return pointwise(finished_mode(mode), before_last(), &inputs_.back(), y);
    });
  }
  void with_vector(cudnnPointwiseMode_t mode, int64_t uid) { with(mode, uid, p_.k); }
  void with_scalar(cudnnPointwiseMode_t mode, int64_t uid) { with(mode, uid, 1); }

  void add_residual() {
    const auto type = static_cast<cudnnDataType_t>(p_.residual);
    if (type != CUDNN_DATA_INT8) {
      then([this, type](const Descriptor& y) {
        inputs_.push_back(tensor(kResidual, type, out_dims(), false));
        return pointwise(finished_mode(CUDNN_POINTWISE_ADD), before_last(), &inputs_.back(), y);
      });
      return;
    }
    then([this, type](const Descriptor& y) {
      inputs_.push_back(tensor(kResidual, type, out_dims(), false));
      const size_t residual = inputs_.size() - 1;
      inputs_.push_back(tensor(kResidualScale, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, false));
      inputs_.push_back(tensor(kVirtual - 1, CUDNN_DATA_FLOAT, out_dims(), true));
      const Descriptor& scaled = inputs_.back();
      operations_.push_back(
          pointwise(finished_mode(CUDNN_POINTWISE_MUL), inputs_[residual], &inputs_[residual + 1], scaled));
      return pointwise(finished_mode(CUDNN_POINTWISE_ADD), before_last(), &scaled, y);
    });
  }

  void activate(ActKind kind, float alpha, float beta) {
    if (kind == ActKind::None) return;
    then([this, kind, alpha, beta](const Descriptor& y) {
      return pointwise(activation(kind, alpha, beta), before_last(), nullptr, y);
    });
  }

  static Descriptor activation(ActKind kind, float alpha, float beta) {
    switch (kind) {
      case ActKind::Relu:
        return finished_mode(CUDNN_POINTWISE_RELU_FWD);
      case ActKind::Clip: {
        Descriptor made = plain_mode(CUDNN_POINTWISE_RELU_FWD);
        made.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP, alpha).set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, beta);
        made.finalize();
        return made;
      }
      case ActKind::LeakyRelu: {
        Descriptor made = plain_mode(CUDNN_POINTWISE_RELU_FWD);
        made.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, alpha);
        made.finalize();
        return made;
      }
      case ActKind::Elu: {
        Descriptor made = plain_mode(CUDNN_POINTWISE_ELU_FWD);
        made.set(CUDNN_ATTR_POINTWISE_ELU_ALPHA, alpha);
        made.finalize();
        return made;
      }
      case ActKind::Sigmoid:
        return finished_mode(CUDNN_POINTWISE_SIGMOID_FWD);
      case ActKind::Tanh:
        return finished_mode(CUDNN_POINTWISE_TANH_FWD);
      case ActKind::Swish:
        return finished_mode(CUDNN_POINTWISE_SWISH_FWD);
      case ActKind::GeluErf:
        return finished_mode(CUDNN_POINTWISE_GELU_FWD);
      case ActKind::GeluTanh:
        return finished_mode(CUDNN_POINTWISE_GELU_APPROX_TANH_FWD);
      case ActKind::Softplus:
        return finished_mode(CUDNN_POINTWISE_SOFTPLUS_FWD);
      default:
        check(false, "cuDNN has no activation {}", static_cast<int>(kind));
        return finished_mode(CUDNN_POINTWISE_RELU_FWD);
    }
  }

  const ConvProblem& p_;
  std::vector<Descriptor> inputs_, results_, operations_, parts_;
  std::function<Descriptor(const Descriptor&)> pending_;
  cudnnDataType_t pending_type_ = CUDNN_DATA_FLOAT;
};

Descriptor config_descriptor(const Descriptor& graph, const ConvConfig& config) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, config.engine);
  engine.finalize();
  std::vector<Descriptor> choices;
  for (const auto& [type, value] : config.knobs) {
    Descriptor choice(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    const auto knob = static_cast<cudnnBackendKnobType_t>(type);
    choice.set_raw(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &knob)
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value);
    choice.finalize();
    choices.push_back(std::move(choice));
  }
  Descriptor made(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  made.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!choices.empty()) made.set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, choices);
  made.finalize();
  return made;
}

void add(std::vector<ConvConfig>& configs, ConvConfig config) {
  if (std::find(configs.begin(), configs.end(), config) == configs.end()) configs.push_back(std::move(config));
}

int64_t knob_type(const Descriptor& descriptor, cudnnBackendAttributeName_t name) {
  cudnnBackendKnobType_t type{};
  int64_t count = 0;
  check_cudnn(cudnn().get_attribute(descriptor.get(), name, CUDNN_TYPE_KNOB_TYPE, 1, &count, &type), "reading a knob");
  return static_cast<int64_t>(type);
}

void add_proposals(const Descriptor& graph, cudnnBackendHeurMode_t mode, std::vector<ConvConfig>& configs) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set_raw(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (!heuristics.try_finalize()) return;
  for (const Descriptor& proposal :
       heuristics.get_list(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostProposals)) {
    const auto engines = proposal.get_list(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
    if (engines.empty()) continue;
    ConvConfig config;
    config.engine = engines[0].get_int(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    for (const Descriptor& choice : proposal.get_list(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                                      CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
      config.knobs.emplace_back(knob_type(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE),
                                choice.get_int(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
    }
    add(configs, std::move(config));
  }
}

// Every value of an engine's KERNEL_CFG: the heuristics' lists lack the best ones for small problems.
void add_all_kernels(const Descriptor& graph, int64_t index, std::vector<ConvConfig>& configs) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, index);
  if (!engine.try_finalize()) return;
  for (const Descriptor& knob :
       engine.get_list(CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    const int64_t type = knob_type(knob, CUDNN_ATTR_KNOB_INFO_TYPE);
    if (type != CUDNN_KNOB_TYPE_KERNEL_CFG) continue;
    const int64_t least = knob.get_int(CUDNN_ATTR_KNOB_INFO_MINIMUM_VALUE);
    const int64_t most = knob.get_int(CUDNN_ATTR_KNOB_INFO_MAXIMUM_VALUE);
    const int64_t step = std::max<int64_t>(1, knob.get_int(CUDNN_ATTR_KNOB_INFO_STRIDE));
    for (int64_t value = least; value <= most && value < least + kMostConfigs * step; value += step) {
      add(configs, {index, {{type, value}}});
    }
  }
}

}  // namespace

bool cudnn_takes(const Act& act) {
  switch (act.kind) {
    case ActKind::HardSwish:
    case ActKind::HardSigmoid:
      return false;
    default:
      return true;
  }
}

std::string ConvConfig::name() const {
  std::string text = fmt::format("cudnn:{}", engine);
  for (const auto& [type, value] : knobs) text += fmt::format(":{}={}", type, value);
  return text;
}

ConvConfig parse_config(const std::string& name) {
  constexpr std::string_view kPrefix = "cudnn:";
  if (!name.starts_with(kPrefix)) return {};
  ConvConfig config;
  const char* at = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  auto parsed = std::from_chars(at, end, config.engine);
  while (parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == ':') {
    std::pair<int64_t, int64_t> knob;
    parsed = std::from_chars(parsed.ptr + 1, end, knob.first);
    if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '=') return {};
    parsed = std::from_chars(parsed.ptr + 1, end, knob.second);
    config.knobs.push_back(knob);
  }
  return parsed.ec == std::errc() && parsed.ptr == end ? config : ConvConfig{};
}

ConvPlan::ConvPlan(CudnnHandle& handle, const ConvProblem& problem, const ConvConfig& config)
    : handle_(handle), problem_(problem) {
  const Descriptor graph = GraphBuilder(problem).build(handle);
  const Descriptor choice = config_descriptor(graph, config);
  plan_ = std::make_unique<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  const cudnnHandle_t raw = handle.get();
  plan_->set_raw(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &raw);
  plan_->set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, choice);
  plan_->finalize();
  read_workspace();
}

ConvPlan::ConvPlan(CudnnHandle& handle, const ConvProblem& problem, const std::string& bytes)
    : handle_(handle), problem_(problem) {
  plan_ = std::make_unique<Descriptor>(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  const cudnnHandle_t raw = handle.get();
  plan_->set_raw(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &raw);
  plan_->set_raw(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(bytes.size()),
                 bytes.data());
  plan_->finalize();
  read_workspace();
}

ConvPlan::~ConvPlan() = default;

void ConvPlan::read_workspace() {
  workspace_bytes_ = static_cast<size_t>(plan_->get_int(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
}

std::string ConvPlan::serialize() const {
  int64_t count = 0;
  check_cudnn(cudnn().get_attribute(plan_->get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 0,
                                    &count, nullptr),
              "serializing a plan");
  std::string bytes(static_cast<size_t>(count), '\0');
  check_cudnn(cudnn().get_attribute(plan_->get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, count,
                                    &count, bytes.data()),
              "serializing a plan");
  return bytes;
}

void ConvPlan::run(cudaStream_t stream, const ConvArgs& args) const {
  std::vector<int64_t> uids = {kX, kW, kY};
  std::vector<void*> pointers = {const_cast<void*>(args.x), const_cast<void*>(args.w), args.y};
  const auto add_tensor = [&](bool wanted, int64_t uid, const void* pointer) {
    if (!wanted) return;
    uids.push_back(uid);
    pointers.push_back(const_cast<void*>(pointer));
  };
  add_tensor(problem_.scaled != 0, kScale, args.scale);
  add_tensor(problem_.biased != 0, kBias, args.bias);
  add_tensor(problem_.residual >= 0, kResidual, args.residual);
  add_tensor(problem_.residual == CUDNN_DATA_INT8, kResidualScale, args.residual_scale);
  add_tensor(problem_.posted != 0, kPost, args.post);
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  void* workspace = args.workspace;
  pack.set_raw(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, static_cast<int64_t>(uids.size()), uids.data())
      .set_raw(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, static_cast<int64_t>(pointers.size()),
               pointers.data())
      .set_raw(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  pack.finalize();
  const std::lock_guard lock(handle_.mutex());
  check_cudnn(cudnn().set_stream(handle_.get(), stream), "choosing a stream");
  const cudnnStatus_t status = cudnn().execute(handle_.get(), plan_->get(), pack.get());
  // The stream may be gone when the handle is used next, which compiles and loads plans, too.
  (void)cudnn().set_stream(handle_.get(), nullptr);
  check_cudnn(status, "running a convolution");
}

std::vector<ConvConfig> conv_configs(CudnnHandle& handle, const ConvProblem& problem) {
  std::vector<ConvConfig> configs;
  const std::lock_guard lock(handle.mutex());
  try {
    const Descriptor graph = GraphBuilder(problem).build(handle);
    add_proposals(graph, CUDNN_HEUR_MODE_A, configs);
    add_proposals(graph, CUDNN_HEUR_MODE_FALLBACK, configs);
    const int64_t engines = graph.get_int(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
    for (int64_t engine = 0; engine < engines; ++engine) add_all_kernels(graph, engine, configs);
  } catch (const BackendFailure&) {
    // A graph that cuDNN does not take as a whole: it has no configuration.
  }
  return configs;
}

}  // namespace tfengine::cuda
