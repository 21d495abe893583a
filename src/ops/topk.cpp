// SPDX-License-Identifier: Apache-2.0
// TopKV2: the k largest of each row in falling order, and where they stood; among equals the lower index comes first.
#include <algorithm>
#include <numeric>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_topk(const InferContext& context) {
  const bool k_is_input = context.node.op == "TopKV2";
  require_inputs(context, k_is_input ? 2 : 1);
  TypeInfo values = context.inputs[0];
  const DType index_type = context.node.attr_or<DType>("index_type", DType::S32);
  if (!values.shape.ranked()) return {values, {index_type, Shape::unknown_rank()}};
  if (values.shape.rank() == 0) bad_node(context.node, "its input is a scalar, expected rank 1 or more");
  const auto k = k_is_input ? known_int(context, 1) : std::optional<int64_t>(context.node.attr<int64_t>("k"));
  int64_t& last = values.shape[values.shape.rank() - 1];
  if (k && (*k < 0 || (last >= 0 && *k > last))) bad_node(context.node, "k is {}, expected 0 to {}", *k, last);
  last = k.value_or(-1);
  return {values, {index_type, values.shape}};
}

std::vector<Tensor> evaluate_topk(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer_topk, node, inputs);
  Tensor values(types[0].dtype, types[0].shape);
  const int64_t row = inputs[0].shape().back(), k = types[0].shape.back();
  const int64_t rows = row > 0 ? inputs[0].elements() / row : 0;
  std::vector<int64_t> indices;
  indices.reserve(static_cast<size_t>(rows * k));
  visit_dtype(types[0].dtype, [&]<typename T>(T) {
    T* y = values.mutable_as<T>();
    std::vector<int64_t> order(static_cast<size_t>(row));
    for (int64_t r = 0; r < rows; ++r) {
      const T* x = inputs[0].as<T>() + r * row;
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return x[a] > x[b]; });
      for (int64_t i = 0; i < k; ++i) {
        indices.push_back(order[static_cast<size_t>(i)]);
        *y++ = x[order[static_cast<size_t>(i)]];
      }
    }
  });
  return {values, from_ints(types[1].dtype, types[1].shape, indices)};
}

}  // namespace

std::vector<Op> topk_ops() {
  return {{.name = "TopKV2", .aliases = {"TopK"}, .infer = infer_topk, .evaluate = evaluate_topk}};
}

}  // namespace tfengine::ops
