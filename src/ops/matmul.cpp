// SPDX-License-Identifier: Apache-2.0
// MatMul and BatchMatMulV2. Sums are accumulated in double.
#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

struct Flags {
  bool a = false, b = false;
};

Flags matmul_flags(const ir::Node& node) {
  return {node.attr_or<bool>("transpose_a", false), node.attr_or<bool>("transpose_b", false)};
}

Flags batch_flags(const ir::Node& node) {
  return {node.attr_or<bool>("adj_x", false), node.attr_or<bool>("adj_y", false)};
}

std::vector<TypeInfo> infer_matmul(const InferContext& context) {
  require_inputs(context, 2);
  const Flags flags = matmul_flags(context.node);
  const bool a_ranked = has_rank(context, 0, 2);
  const bool b_ranked = has_rank(context, 1, 2);
  const Shape a = a_ranked ? context.inputs[0].shape : unknown_dims(2);
  const Shape b = b_ranked ? context.inputs[1].shape : unknown_dims(2);
  merge_dims(context.node, a[flags.a ? 0 : 1], b[flags.b ? 1 : 0], "the second matrix's inner dimension");
  return {{product_dtype(context), {a[flags.a ? 1 : 0], b[flags.b ? 0 : 1]}}};
}

Shape batch_part(const Shape& shape) { return Shape(std::vector<int64_t>(shape.begin(), shape.end() - 2)); }

std::vector<TypeInfo> infer_batch_matmul(const InferContext& context) {
  require_inputs(context, 2);
  const DType dtype = context.inputs[0].dtype;
  const Shape& a = context.inputs[0].shape;
  const Shape& b = context.inputs[1].shape;
  if (!a.ranked() || !b.ranked()) return {{dtype, Shape::unknown_rank()}};
  if (a.rank() < 2 || b.rank() < 2) {
    bad_node(context.node, "its inputs have shapes {} and {}, expected rank 2 or more", a.str(), b.str());
  }
  const Flags flags = batch_flags(context.node);
  const size_t ra = a.rank(), rb = b.rank();
  merge_dims(context.node, a[flags.a ? ra - 2 : ra - 1], b[flags.b ? rb - 1 : rb - 2],
             "the second matrix's inner dimension");
  Shape out = broadcast_shapes(context.node, batch_part(a), batch_part(b));
  out.dims().push_back(a[flags.a ? ra - 1 : ra - 2]);
  out.dims().push_back(b[flags.b ? rb - 2 : rb - 1]);
  return {{dtype, out}};
}

struct Product {
  int64_t m, n, k;
  Flags flags;
};

void multiply(const Product& p, const float* a, const float* b, float* out) {
  std::vector<double> sums(static_cast<size_t>(p.n));
  for (int64_t i = 0; i < p.m; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t l = 0; l < p.k; ++l) {
      const double value = p.flags.a ? a[l * p.m + i] : a[i * p.k + l];
      const float* row = p.flags.b ? b + l : b + l * p.n;
      const int64_t step = p.flags.b ? p.k : 1;
      for (int64_t j = 0; j < p.n; ++j) sums[static_cast<size_t>(j)] += value * row[j * step];
    }
    std::copy(sums.begin(), sums.end(), out + i * p.n);
  }
}

std::vector<Tensor> evaluate_matmul(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_matmul, node, inputs)[0];
  const Tensor a = as_f32(inputs[0]);
  const Tensor b = as_f32(inputs[1]);
  const Flags flags = matmul_flags(node);
  Tensor output(DType::F32, type.shape);
  multiply({type.shape[0], type.shape[1], a.shape()[flags.a ? 0 : 1], flags}, a.as<float>(), b.as<float>(),
           output.mutable_as<float>());
  return {cast_tensor(output, type.dtype)};
}

std::vector<Tensor> evaluate_batch_matmul(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_batch_matmul, node, inputs)[0];
  const Tensor a = as_f32(inputs[0]);
  const Tensor b = as_f32(inputs[1]);
  const Flags flags = batch_flags(node);
  const Shape batch = batch_part(type.shape);
  const size_t rank = type.shape.rank();
  const Product p{type.shape[rank - 2], type.shape[rank - 1],
                  a.shape()[flags.a ? a.shape().rank() - 2 : a.shape().rank() - 1], flags};
  Tensor output(DType::F32, type.shape);
  if (output.elements() == 0) return {cast_tensor(output, type.dtype)};
  float* out = output.mutable_as<float>();
  walk_rows<2>(batch,
               {broadcast_strides(batch_part(a.shape()), batch), broadcast_strides(batch_part(b.shape()), batch)},
               [&](const auto& offset, const auto& step, int64_t count) {
                 for (int64_t i = 0; i < count; ++i) {
                   multiply(p, a.as<float>() + (offset[0] + i * step[0]) * p.m * p.k,
                            b.as<float>() + (offset[1] + i * step[1]) * p.k * p.n, out);
                   out += p.m * p.n;
                 }
               });
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> matmul_ops() {
  return {
      {.name = "MatMul",
       .infer = infer_matmul,
       .evaluate = evaluate_matmul,
       .int8 = {.kind = Int8Kind::Compute, .weight_input = 1, .weight_axis = 1}},
      {.name = "BatchMatMulV2",
       .aliases = {"BatchMatMul", "BatchMatMulV3"},
       .infer = infer_batch_matmul,
       .evaluate = evaluate_batch_matmul,
       .int8 = {.data_inputs = {0, 1}}},
  };
}

}  // namespace tfengine::ops
