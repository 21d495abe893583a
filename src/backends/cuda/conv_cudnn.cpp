// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/conv_cudnn.h"

#include <cstring>

#include "backends/cuda/conv_weights.h"
#include "tfengine/error.h"

namespace tfengine::cuda {

namespace {

cudnnDataType_t cudnn_type(Elem elem) {
  switch (elem) {
    case Elem::F32:
      return CUDNN_DATA_FLOAT;
    case Elem::F16:
      return CUDNN_DATA_HALF;
    case Elem::S8:
      return CUDNN_DATA_INT8;
    case Elem::S32:
      return CUDNN_DATA_INT32;
  }
  return CUDNN_DATA_FLOAT;
}

// act(x) * factor == scaled(act, factor)(x * factor), for factors above 0; nullopt where no activation of ours is that.
// `last`: what follows is the rounding.
std::optional<Act> scaled(const Act& act, float factor, bool last) {
  Act result = act;
  switch (act.kind) {
    case ActKind::None:
    case ActKind::Relu:
    case ActKind::LeakyRelu:
      return result;
    case ActKind::Clip:
      // Saturation to INT8 does the upper part by itself where the bound is not inside the range; then networks whose
      // layers differ in scale only share plans.
      if (last && act.alpha == 0.0f && act.beta * factor >= 127.0f) return Act{ActKind::Relu, 0.0f, 0.0f};
      result.alpha *= factor;
      result.beta *= factor;
      return result;
    default:
      return std::nullopt;
  }
}

// A step as a problem of cuDNN, with the numbers that its plan takes as tensors.
struct CudnnStep {
  ConvProblem problem;
  std::vector<float> scale, bias;
  float residual_scale = 1.0f, post = 1.0f;
};

std::optional<CudnnStep> cudnn_step(const StepSpec& spec, const Layer& layer, const Types& types) {
  const ConvShape& s = layer.shape;
  const ir::Epilogue& fused = spec.node->epilogue;
  const bool grouped = s.groups > 1;
  if (layer.depthwise || (grouped && (layer.src_pitch != s.in_c || layer.dst_pitch != s.out_c))) return std::nullopt;
  if (spec.inputs[0].dtype == DType::F32 && types.int8()) return std::nullopt;
  if (!cudnn_takes(fused.before_add) || !cudnn_takes(fused.after_add)) return std::nullopt;
  const bool residual = types.residual_input != ir::kNone;
  if (residual && types.residual.pitch != layer.dst_pitch) return std::nullopt;
  CudnnStep step;
  ConvProblem& p = step.problem;
  p.n = s.batch;
  p.h = s.in_h;
  p.w = s.in_w;
  p.c = layer.src_pitch;
  p.k = layer.dst_pitch;
  p.out_h = s.out_h;
  p.out_w = s.out_w;
  p.kernel_h = s.kernel_h;
  p.kernel_w = s.kernel_w;
  p.stride_h = s.stride_h;
  p.stride_w = s.stride_w;
  p.dilation_h = s.dilation_h;
  p.dilation_w = s.dilation_w;
  p.pad_top = s.pad_top;
  p.pad_bottom = layer.pad_bottom;
  p.pad_left = s.pad_left;
  p.pad_right = layer.pad_right;
  p.groups = s.groups;
  p.src = cudnn_type(types.source);
  p.dst = cudnn_type(types.dst.elem);
  p.residual = residual ? cudnn_type(types.residual.elem) : -1;
  step.scale = accumulator_scales(spec, types, s.out_c);
  step.bias = bias_of(spec);
  if (residual) step.residual_scale = types.residual.scale;
  Act before = fused.before_add, after = fused.after_add;
  if (types.dst.elem == Elem::S8) {
    // The target's scale goes into the other numbers where what lies between allows it.
    const float factor = types.dst.inv_scale;
    const auto before_scaled = scaled(before, factor, !residual && after.kind == ActKind::None);
    const auto after_scaled = scaled(after, factor, true);
    const bool float_residual = residual && types.residual.elem != Elem::S8;
    if (before_scaled && after_scaled && !float_residual && types.int8()) {
      before = *before_scaled;
      after = *after_scaled;
      for (auto* numbers : {&step.scale, &step.bias}) {
        for (float& x : *numbers) x *= factor;
      }
      step.residual_scale *= factor;
    } else {
      p.posted = 1;
      step.post = factor;
    }
  }
  for (auto* numbers : {&step.scale, &step.bias}) {
    if (!numbers->empty()) numbers->resize(static_cast<size_t>(p.k), 0.0f);
  }
  p.scaled = step.scale.empty() ? 0 : 1;
  p.biased = step.bias.empty() ? 0 : 1;
  p.before = static_cast<int32_t>(before.kind);
  p.before_alpha = before.alpha;
  p.before_beta = before.beta;
  p.after = static_cast<int32_t>(after.kind);
  p.after_alpha = after.alpha;
  p.after_beta = after.beta;
  return step;
}

// Single precision that is multiplied as halves is rounded into the workspace, in front of what the plan has of it.
constexpr const char* kNarrowed = ":narrowed";
size_t narrowed_bytes(const Kept& kept) {
  if (!kept.types.narrowed) return 0;
  constexpr size_t kAlignment = 256;
  const auto bytes = static_cast<size_t>(pixels_of(kept.spec.inputs[0]) * kept.layer.src_pitch) * sizeof(uint16_t);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

Tactic cudnn_tactic(const Kept& kept, const CudnnStep& step, const CompiledPlan& compiled, CompiledPlans& plans) {
  const std::string name = compiled.config.name() + (kept.types.narrowed ? kNarrowed : "");
  const size_t source_bytes = narrowed_bytes(kept);
  Tactic tactic = gpu_tactic(name, kept.spec, [=, &plans](PackedStore& store) -> Run {
    const auto plan = plans.one(step.problem, compiled.config, compiled.bytes);
    if (plan == nullptr) throw BackendFailure("cuDNN: a plan that was compiled before does not compile again");
    const auto weights = pack_krsc(store, kept.layer, kept.spec.constants[1], kept.types.source,
                                   kept.layer.src_pitch / kept.layer.shape.groups, kept.layer.dst_pitch);
    const auto numbers = [&](const char* what, const std::vector<float>& values) {
      return values.empty() ? std::shared_ptr<const float>() : pack_floats(store, what, values);
    };
    const auto scale = numbers("scale", step.scale), bias = numbers("bias", step.bias);
    const auto residual_scale = numbers("residual scale", {step.residual_scale});
    const auto post = numbers("post scale", {step.post});
    const int residual_input = kept.types.residual_input;
    return [=](const StepArgs& args) {
      ConvArgs to;
      to.x = args.src[0];
      to.w = weights.get();
      to.y = args.dst[0];
      to.scale = scale.get();
      to.bias = bias.get();
      if (residual_input != ir::kNone) to.residual = args.src[static_cast<size_t>(residual_input)];
      to.residual_scale = residual_scale.get();
      to.post = post.get();
      to.workspace = static_cast<std::byte*>(args.workspace) + source_bytes;
      if (kept.types.narrowed) {
        to.x = args.workspace;
        convert(stream_of(args), source_at(kept.spec, args),
                Target{args.workspace, Elem::F16, 1.0f, kept.layer.src_pitch}, pixels_of(kept.spec.inputs[0]),
                channels_of(kept.spec.inputs[0]));
      }
      plan->run(stream_of(args), to);
    };
  });
  tactic.workspace_bytes = source_bytes + compiled.workspace_bytes;
  tactic.state = compiled.bytes;
  return tactic;
}

}  // namespace

void add_cudnn(const StepSpec& spec, const Layer& layer, const Types& types, CompiledPlans& plans,
               std::vector<Tactic>& tactics) {
  const auto step = cudnn_step(spec, layer, types);
  if (!step) return;
  const Kept kept(spec, layer, types);
  const bool narrowed = spec.wanted.ends_with(kNarrowed);
  if (!spec.wanted.empty() && narrowed != types.narrowed) return;
  const ConvConfig wanted =
      parse_config(narrowed ? spec.wanted.substr(0, spec.wanted.size() - std::strlen(kNarrowed)) : spec.wanted);
  if (wanted.engine >= 0) {
    const auto plan = plans.one(step->problem, wanted, spec.wanted_state);
    if (plan == nullptr) return;
    Tactic tactic = cudnn_tactic(kept, *step, {wanted, plan->workspace_bytes(), spec.wanted_state}, plans);
    // Until it is prepared the plan stays loaded with the tactic.
    tactic.prepare = [plan, prepare = std::move(tactic.prepare)](PackedStore& store) { return prepare(store); };
    if (tactic.state.empty()) tactic.state = plan->serialize();
    tactics.push_back(std::move(tactic));
    return;
  }
  for (const CompiledPlan& compiled : plans.all(step->problem, !spec.timed)) {
    tactics.push_back(cudnn_tactic(kept, *step, compiled, plans));
  }
}

}  // namespace tfengine::cuda
