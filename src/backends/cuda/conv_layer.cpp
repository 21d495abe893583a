// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/conv_layer.h"

#include "ops/geometry.h"
#include "ops/numeric.h"

namespace tfengine::cuda {

namespace {

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

}  // namespace

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

View source_at(const StepSpec& spec, const StepArgs& args) {
  View view = *view_of(spec.inputs[0]);
  view.data = args.src[0];
  return view;
}

}  // namespace tfengine::cuda
