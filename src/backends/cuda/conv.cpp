// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/conv.h"

#include "backends/cuda/conv_cudnn.h"
#include "backends/cuda/conv_weights.h"
#include "backends/cuda/storage.h"

namespace tfengine::cuda {

namespace {

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

Target at(Target target, const StepArgs& args) {
  target.data = args.dst[0];
  return target;
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
