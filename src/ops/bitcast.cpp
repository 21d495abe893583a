// SPDX-License-Identifier: Apache-2.0
// Bitcast: the same bytes read as another type. A smaller type adds an axis, a larger one takes the last axis away.
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_bitcast(const InferContext& context) {
  require_inputs(context, 1);
  const auto to = context.node.attr<DType>("type");
  const TypeInfo& input = context.inputs[0];
  const auto from_bytes = static_cast<int64_t>(dtype_bytes(input.dtype)),
             to_bytes = static_cast<int64_t>(dtype_bytes(to));
  if (to_bytes == 0) bad_node(context.node, "its type is {}, expected numbers", dtype_name(to));
  if (from_bytes == 0 || !input.shape.ranked()) return {{to, Shape::unknown_rank()}};
  Shape out = input.shape;
  if (from_bytes > to_bytes) out.dims().push_back(from_bytes / to_bytes);
  if (from_bytes < to_bytes) {
    if (out.rank() == 0)
      bad_node(context.node, "its input is a scalar of {}, too few for {}", dtype_name(input.dtype), dtype_name(to));
    merge_dims(context.node, to_bytes / from_bytes, out.back(), "the last dimension");
    out.dims().pop_back();
  }
  return {{to, out}};
}

std::vector<Tensor> evaluate_bitcast(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_bitcast, node, inputs)[0];
  return {Tensor(type.dtype, type.shape, inputs[0].data(), std::make_shared<Tensor>(inputs[0]))};
}

}  // namespace

std::vector<Op> bitcast_ops() { return {{.name = "Bitcast", .infer = infer_bitcast, .evaluate = evaluate_bitcast}}; }

}  // namespace tfengine::ops
