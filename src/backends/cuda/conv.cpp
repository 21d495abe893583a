// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/conv.h"

#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "backends/cuda/error.h"
#include "backends/cuda/storage.h"
#include "ops/geometry.h"
#include "ops/numeric.h"

namespace tfengine::cuda {

namespace {

// The node's arithmetic with rows as they are stored.
struct Layer {
  ConvShape shape;  // logical sizes
  int pad_bottom = 0, pad_right = 0;
  int64_t src_pitch = 0, dst_pitch = 0;
  bool depthwise = false;
  bool matrix = false;              // MatMul: weights [k, n]
  bool weights_transposed = false;  // [n, k]
};

int as_int(int64_t x) { return static_cast<int>(x); }

Layer matrix_layer(const StepSpec& spec) {
  Layer layer;
  layer.matrix = true;
  layer.weights_transposed = spec.node->attr_or<bool>("transpose_b", false);
  layer.shape.batch = as_int(pixels_of(spec.inputs[0]));
  layer.shape.in_c = as_int(channels_of(spec.inputs[0]));
  layer.shape.out_c = as_int(channels_of(spec.outputs[0]));
  return layer;
}

Layer image_layer(const ir::Node& node, const Shape& src, const Shape& weights, int64_t out_c) {
  const ops::Window w = ops::conv_window(node, src[1], src[2], weights[0], weights[1]);
  Layer layer;
  layer.depthwise = node.op == "DepthwiseConv2dNative";
  layer.shape = window_shape(src, w, out_c);
  layer.shape.groups = layer.depthwise ? layer.shape.in_c : as_int(src[3] / weights[2]);
  layer.pad_bottom = as_int(w.pad_bottom);
  layer.pad_right = as_int(w.pad_right);
  return layer;
}

Layer layer_of(const StepSpec& spec) {
  Layer layer = spec.node->op == "MatMul"
                    ? matrix_layer(spec)
                    : image_layer(*spec.node, spec.inputs[0].shape, spec.inputs[1].shape, spec.outputs[0].shape[3]);
  layer.src_pitch = spec.inputs[0].pixel_stride;
  layer.dst_pitch = spec.outputs[0].pixel_stride;
  return layer;
}

// What a step's arithmetic is besides its shape.
struct Types {
  Elem source = Elem::S8;  // what is multiplied
  bool narrowed = false;   // the source is kept in single precision, and half precision is multiplied
  bool int8() const { return source == Elem::S8; }
  Target dst;
  int residual_input = ir::kNone;
  View residual;
};

// [out][kernel_h][kernel_w][in / groups] with channels padded, from TensorFlow's [kernel_h, kernel_w, in, out] or [k, n].
template <typename T>
void write_krsc(const Layer& layer, const T* from, int64_t in_pitch, T* to) {
  const ConvShape& s = layer.shape;
  const int64_t depth = layer.depthwise ? 1 : s.in_c / s.groups;
  for (int64_t k = 0; k < s.out_c; ++k) {
    for (int64_t tap = 0; tap < int64_t{s.kernel_h} * s.kernel_w; ++tap) {
      for (int64_t c = 0; c < depth; ++c) {
        const int64_t at = layer.weights_transposed ? k * depth + c : (tap * depth + c) * s.out_c + k;
        to[(k * s.kernel_h * s.kernel_w + tap) * in_pitch + c] = from[at];
      }
    }
  }
}

// Weights in the type that is multiplied; half precision is rounded here.
Tensor typed_weights(const Tensor& weights, Elem source) {
  if (source == Elem::S8) return weights;
  return ops::cast_tensor(weights, source == Elem::F16 ? DType::F16 : DType::F32);
}

size_t elem_bytes(Elem elem) {
  switch (elem) {
    case Elem::S8:
      return 1;
    case Elem::F16:
      return 2;
    default:
      return 4;
  }
}

// `in_pitch` and `out_rows`: with padding, which is zero.
std::shared_ptr<const void> pack_krsc(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source,
                                      int64_t in_pitch, int64_t out_rows) {
  const ConvShape& s = layer.shape;
  const size_t bytes = static_cast<size_t>(out_rows * s.kernel_h * s.kernel_w * in_pitch) * elem_bytes(source);
  const std::string form = fmt::format("krsc {} {} {} {} {}", static_cast<int>(source), s.groups, in_pitch, out_rows,
                                       layer.weights_transposed);
  return store.get(weights, form, bytes, [&](void* to) {
    std::memset(to, 0, bytes);
    const Tensor typed = typed_weights(weights, source);
    if (source == Elem::S8) {
      write_krsc(layer, typed.as<int8_t>(), in_pitch, static_cast<int8_t*>(to));
    } else if (source == Elem::F16) {
      write_krsc(layer, typed.as<uint16_t>(), in_pitch, static_cast<uint16_t*>(to));
    } else {
      write_krsc(layer, typed.as<float>(), in_pitch, static_cast<float*>(to));
    }
  });
}

// [kernel_h][kernel_w][pitch], for one filter per channel.
std::shared_ptr<const void> pack_depthwise(PackedStore& store, const Layer& layer, const Tensor& weights, Elem source) {
  const ConvShape& s = layer.shape;
  const size_t bytes = static_cast<size_t>(s.kernel_h * s.kernel_w * layer.src_pitch) * elem_bytes(source);
  return store.get(
      weights, fmt::format("depthwise {} {}", static_cast<int>(source), layer.src_pitch), bytes, [&](void* to) {
        std::memset(to, 0, bytes);
        const Tensor typed = typed_weights(weights, source);
        const size_t row = static_cast<size_t>(s.in_c) * elem_bytes(source);
        for (int64_t tap = 0; tap < int64_t{s.kernel_h} * s.kernel_w; ++tap) {
          std::memcpy(static_cast<std::byte*>(to) + static_cast<size_t>(tap * layer.src_pitch) * elem_bytes(source),
                      typed.as<std::byte>() + static_cast<size_t>(tap) * row, row);
        }
      });
}

// Scales of accumulators, one per output channel; empty for floats.
std::vector<float> accumulator_scales(const StepSpec& spec, const Types& types, int64_t channels) {
  if (!types.int8()) return {};
  std::vector<float> scales = spec.inputs[1].quant.scales;
  if (scales.size() == 1) scales.assign(static_cast<size_t>(channels), scales[0]);
  for (float& scale : scales) scale *= scale_of(spec.inputs[0]);
  return scales;
}

std::vector<float> bias_of(const StepSpec& spec) {
  const int bias = spec.node->epilogue.bias;
  if (bias == ir::kNone) return {};
  const Tensor tensor = ops::as_f32(spec.constants[static_cast<size_t>(bias)]);
  return {tensor.as<float>(), tensor.as<float>() + tensor.elements()};
}

// The epilogue as our own kernels take it, its arrays on the device.
struct PackedEpilogue {
  std::shared_ptr<const float> scale, bias;
  ConvEpilogue epilogue;
  int residual_input = ir::kNone;

  PackedEpilogue(PackedStore& store, const StepSpec& spec, const Types& types, int64_t channels)
      : residual_input(types.residual_input) {
    const std::vector<float> scales = accumulator_scales(spec, types, channels), biases = bias_of(spec);
    if (!scales.empty()) scale = pack_floats(store, "scale", scales);
    if (!biases.empty()) bias = pack_floats(store, "bias", biases);
    epilogue.scale = scale.get();
    epilogue.bias = bias.get();
    epilogue.before = spec.node->epilogue.before_add;
    epilogue.after = spec.node->epilogue.after_add;
    epilogue.residual = types.residual;
  }
  ConvEpilogue at(const StepArgs& args) const {
    ConvEpilogue bound = epilogue;
    if (residual_input != ir::kNone) bound.residual.data = args.src[static_cast<size_t>(residual_input)];
    return bound;
  }
};

// What own kernels capture of a spec: it does not outlive the call.
struct Kept {
  StepSpec spec;
  ir::Node node;
  Layer layer;
  Types types;
  Kept(const StepSpec& from, Layer a_layer, Types a_types)
      : spec(from), node(*from.node), layer(a_layer), types(a_types) {
    spec.graph = nullptr;
    spec.node = &node;
  }
  Kept(const Kept& other) : spec(other.spec), node(other.node), layer(other.layer), types(other.types) {
    spec.node = &node;
  }
  Kept& operator=(const Kept&) = delete;
};

Target at(Target target, const StepArgs& args) {
  target.data = args.dst[0];
  return target;
}
View source_at(const StepSpec& spec, const StepArgs& args) {
  View view = *view_of(spec.inputs[0]);
  view.data = args.src[0];
  return view;
}

Tactic direct_tactic(const StepSpec& spec, const Layer& layer, const Types& types) {
  Tactic tactic = gpu_tactic("own:direct", spec, [kept = Kept(spec, layer, types)](PackedStore& store) -> Run {
    const int64_t depth = kept.layer.depthwise ? 1 : kept.layer.shape.in_c / kept.layer.shape.groups;
    const auto weights =
        pack_krsc(store, kept.layer, kept.spec.constants[1], kept.types.source, depth, kept.layer.shape.out_c);
    const PackedEpilogue epilogue(store, kept.spec, kept.types, kept.layer.shape.out_c);
    return [=](const StepArgs& args) {
      conv_direct(stream_of(args), kept.layer.shape, source_at(kept.spec, args), weights.get(), epilogue.at(args),
                  at(kept.types.dst, args));
    };
  });
  tactic.oracle = true;
  return tactic;
}

bool first_takes(const StepSpec& spec, const Layer& layer, const Types& types) {
  return types.int8() && types.dst.elem == Elem::S8 && types.dst.pitch % 4 == 0 && spec.inputs[0].dense() &&
         !layer.matrix && !layer.depthwise && first_conv_takes(layer.shape);
}

Tactic first_tactic(const StepSpec& spec, const Layer& layer, const Types& types) {
  return gpu_tactic("own:first", spec, [kept = Kept(spec, layer, types)](PackedStore& store) -> Run {
    const ConvShape& shape = kept.layer.shape;
    const Tensor& weights = kept.spec.constants[1];
    const size_t bytes = first_conv_plan(shape).packed_bytes();
    const auto packed = store.get(weights, "first", bytes, [&](void* to) {
      std::vector<int8_t> krsc(static_cast<size_t>(weights.elements()));
      write_krsc(kept.layer, weights.as<int8_t>(), shape.in_c, krsc.data());
      first_conv_pack(shape, krsc.data(), static_cast<int8_t*>(to));
    });
    const PackedEpilogue epilogue(store, kept.spec, kept.types, shape.out_c);
    const float quantize = 1.0f / scale_of(kept.spec.inputs[0]);
    return [=](const StepArgs& args) {
      first_conv(stream_of(args), kept.layer.shape, source_at(kept.spec, args), quantize, packed.get(),
                 epilogue.at(args), at(kept.types.dst, args));
    };
  });
}

Tactic depthwise_tactic(const StepSpec& spec, const Layer& layer, const Types& types) {
  return gpu_tactic("own:depthwise", spec, [kept = Kept(spec, layer, types)](PackedStore& store) -> Run {
    const auto weights = pack_depthwise(store, kept.layer, kept.spec.constants[1], kept.types.source);
    const PackedEpilogue epilogue(store, kept.spec, kept.types, kept.layer.shape.out_c);
    return [=](const StepArgs& args) {
      depthwise(stream_of(args), kept.layer.shape, source_at(kept.spec, args), weights.get(), epilogue.at(args),
                at(kept.types.dst, args));
    };
  });
}

// --- cuDNN ---

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

std::variant<Types, Refusal> types_of(const StepSpec& spec, FloatStorage floats) {
  Types types;
  const auto src = view_of(spec.inputs[0]);
  const auto dst = target_of(spec.outputs[0]);
  if (!src || !dst || dst->elem == Elem::S32) return Refusal{"only float and INT8 tensors are lowered"};
  types.source = spec.inputs[0].quant.defined() ? Elem::S8 : src->elem;
  types.narrowed = floats == FloatStorage::Half && types.source == Elem::F32;
  if (types.narrowed) types.source = Elem::F16;
  types.dst = *dst;
  if (types.source == Elem::S32) return Refusal{"only float and INT8 tensors are lowered"};
  if (types.int8() != (spec.inputs[1].dtype == DType::S8))
    return Refusal{"its weights are of another type than its input"};
  const ir::Epilogue& fused = spec.node->epilogue;
  if (fused.residual != ir::kNone) {
    const auto input = static_cast<size_t>(fused.residual);
    const auto residual = view_of(spec.inputs[input]);
    if (!residual || spec.constants[input].defined() || spec.inputs[input].shape != spec.outputs[0].shape) {
      return Refusal{"its residual is a constant, or of a type or shape that is not lowered"};
    }
    types.residual_input = fused.residual;
    types.residual = *residual;
  }
  if (fused.bias != ir::kNone) {
    const Tensor& bias = spec.constants[static_cast<size_t>(fused.bias)];
    if (!bias.defined() || bias.elements() != channels_of(spec.outputs[0])) return Refusal{"its bias is not constant"};
  }
  return types;
}

}  // namespace

Tactics conv_tactics(const StepSpec& spec, CompiledPlans& plans, FloatStorage floats) {
  if (!spec.constants[1].defined()) return Refusal{"its weights are computed at run time; they must be constant"};
  if (spec.constants[0].defined()) return Refusal{"its input is a constant"};
  const bool matrix = spec.node->op == "MatMul";
  if (!matrix && spec.inputs[0].shape.rank() != 4) return Refusal{"its input is not of rank 4"};
  if (spec.inputs[0].shape.elements() == 0 || spec.constants[1].elements() == 0) {
    return Refusal{"its input or its weights are empty"};
  }
  auto answer = types_of(spec, floats);
  if (auto* refusal = std::get_if<Refusal>(&answer)) return *refusal;
  const Types& types = std::get<Types>(answer);
  // Kernels of ours multiply what is stored.
  Types stored_types = types;
  if (types.narrowed) stored_types.source = Elem::F32;
  const Layer layer = layer_of(spec);
  std::vector<Tactic> tactics;
  if (first_takes(spec, layer, types)) {
    tactics.push_back(first_tactic(spec, layer, types));
  } else if (layer.depthwise) {
    if (layer.shape.out_c == layer.shape.in_c && layer.src_pitch % 4 == 0) {
      tactics.push_back(depthwise_tactic(spec, layer, stored_types));
    }
  } else if (spec.wanted.empty() || spec.wanted.starts_with("cudnn:")) {
    Layer padded = layer;
    if (types.narrowed) padded.src_pitch = padded_channels(DType::F16, channels_of(spec.inputs[0]));
    add_cudnn(spec, padded, types, plans, tactics);
  }
  const bool stored = spec.inputs[0].dtype == DType::F32 && types.int8();  // quantized on the way in
  if (!stored && (spec.wanted.empty() || tactics.empty())) tactics.push_back(direct_tactic(spec, layer, stored_types));
  if (tactics.empty()) return Refusal{"no implementation takes this convolution"};
  return tactics;
}

bool quantizes_source(const ir::Graph& graph, const ir::Node& node) {
  const ir::Value& src = graph.input_value(node, 0);
  const ir::Value& weights = graph.input_value(node, 1);
  const ir::Value& dst = graph.value(node.outputs[0]);
  if (node.op != "Conv2D" || node.denylisted || src.dtype != DType::S8 || !weights.is_constant() ||
      dst.dtype != DType::S8 || src.shape.rank() != 4 || !src.shape.is_static() || src.quant.scales.size() != 1) {
    return false;
  }
  const ir::Epilogue& fused = node.epilogue;
  if (fused.residual != ir::kNone || (fused.bias != ir::kNone && !graph.input_value(node, fused.bias).is_constant())) {
    return false;
  }
  // A caller's tensor is dense, and its rows may not be whole words.
  if (graph.is_output(node.outputs[0]) && dst.shape.back() % 4 != 0) return false;
  return first_conv_takes(image_layer(node, src.shape, weights.shape, dst.shape[3]).shape);
}

}  // namespace tfengine::cuda
