// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/attention.h"

#include <algorithm>

#include <fmt/core.h>

namespace tfengine::cuda {

namespace {

using Operands = std::vector<Operand>;

bool is_float(const TensorDesc& desc) { return desc.dtype == DType::F32 || desc.dtype == DType::F16; }

// Distances in a mask whose columns are dense; 0 along axes that it broadcasts.
void set_mask_strides(const Shape& mask, AttentionShape& shape) {
  shape.mask_row_stride = mask[2] == 1 ? 0 : mask[3];
  shape.mask_head_stride = mask[1] == 1 ? 0 : mask[2] * mask[3];
  shape.mask_batch_stride = mask[0] == 1 ? 0 : mask[1] * mask[2] * mask[3];
}

AttentionShape shape_of(const StepSpec& spec) {
  const Shape &q = spec.inputs[0].shape, &v = spec.inputs[2].shape;
  AttentionShape shape;
  shape.batch = q[0];
  shape.rows = q[1];
  shape.heads = q[2];
  shape.depth = q[3];
  shape.columns = v[1];
  shape.width = v[3];
  shape.scale = spec.node->attr_or<float>("scale", 1.0f);
  if (spec.inputs.size() == 4) set_mask_strides(spec.inputs[3].shape, shape);
  return shape;
}

std::optional<Refusal> refuses_sizes(const Shape& q, const Shape& v) {
  if (attention_takes(q[0], q[2], q[3], v[3])) return std::nullopt;
  return Refusal{
      fmt::format("its heads have {} and {} elements, and {} samples have {} of them", q[3], v[3], q[0], q[2])};
}

}  // namespace

std::optional<Refusal> refuses_attention(const ir::Graph& graph, const ir::Node& node, FloatStorage floats) {
  if (floats != FloatStorage::Half) return Refusal{"single precision multiplies its products as TF32, one by one"};
  if (node.inputs.size() < 3) return std::nullopt;
  const Shape &q = graph.input_value(node, 0).shape, &v = graph.input_value(node, 2).shape;
  return q.is_static() && v.is_static() && q.rank() == 4 && v.rank() == 4 ? refuses_sizes(q, v) : std::nullopt;
}

Tactics attention_tactics(const StepSpec& spec) {
  const auto dst = target_of(spec.outputs[0]);
  Operands operands;
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    const auto operand = Operand::make(spec, i);
    if (!operand || !is_float(spec.inputs[i])) return Refusal{"only float tensors are lowered"};
    operands.push_back(*operand);
  }
  if (!dst || !is_float(spec.outputs[0]) || !spec.node->epilogue.empty())
    return Refusal{"only float results are lowered"};
  if (auto refusal = refuses_sizes(spec.inputs[0].shape, spec.inputs[2].shape)) return *refusal;
  if (spec.inputs[2].shape[1] == 0) return Refusal{"it attends to nothing"};
  const bool masked = spec.inputs.size() == 4;
  if (masked && (spec.inputs[3].shape[3] != spec.inputs[2].shape[1] || !spec.inputs[3].dense())) {
    return Refusal{"its mask is the same for all columns, or is kept with padding"};
  }
  return std::vector<Tactic>{
      gpu_tactic("own:attention", spec, std::move(operands),
                 [=, shape = shape_of(spec), dst = *dst](const StepArgs& args, const Operands& packed) {
                   Target to = dst;
                   to.data = args.dst[0];
                   attention(stream_of(args), shape, packed[0].at(args), packed[1].at(args), packed[2].at(args),
                             masked ? packed[3].at(args) : View{}, to);
                 })};
}

}  // namespace tfengine::cuda
