// SPDX-License-Identifier: Apache-2.0
// Gather (axis 0), GatherV2 (any axis, batch_dims), GatherNd (indices into several axes at once).
#include <algorithm>
#include <cstring>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

struct Axes {
  size_t axis = 0, batch = 0;
};

// nullopt when the axis or a rank is unknown.
std::optional<Axes> axes_of(const InferContext& context) {
  const Shape& params = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  const bool has_axis = context.inputs.size() > 2;
  const auto axis = has_axis ? known_int(context, 2) : std::optional<int64_t>(0);
  if (!axis || !params.ranked() || !indices.ranked()) return std::nullopt;
  Axes axes;
  axes.axis = normalize_axis(context.node, *axis, params.rank());
  int64_t batch = context.node.attr_or<int64_t>("batch_dims", 0);
  if (batch < 0) batch += static_cast<int64_t>(indices.rank());
  if (batch < 0 || batch > static_cast<int64_t>(std::min(indices.rank(), axes.axis))) {
    bad_node(context.node, "batch_dims is {}, expected 0 to the rank of the indices and the axis", batch);
  }
  axes.batch = static_cast<size_t>(batch);
  return axes;
}

std::vector<TypeInfo> infer_gather(const InferContext& context) {
  require_inputs(context, 2);
  const DType dtype = context.inputs[0].dtype;
  const auto axes = axes_of(context);
  if (!axes) return {{dtype, Shape::unknown_rank()}};
  const Shape& params = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  Shape out;
  for (size_t i = 0; i < axes->axis; ++i) {
    out.dims().push_back(i < axes->batch
                             ? merge_dims(context.node, params[i], indices[i], "a batch dimension of the indices")
                             : params[i]);
  }
  out.dims().insert(out.dims().end(), indices.begin() + static_cast<std::ptrdiff_t>(axes->batch), indices.end());
  out.dims().insert(out.dims().end(), params.begin() + static_cast<std::ptrdiff_t>(axes->axis) + 1, params.end());
  return {{dtype, out}};
}

int64_t product(const Shape& shape, size_t from, size_t to) {
  int64_t result = 1;
  for (size_t i = from; i < to; ++i) result *= shape[i];
  return result;
}

std::vector<Tensor> evaluate_gather(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_gather, node, inputs);
  std::vector<TypeInfo> types;
  for (const Tensor& input : inputs) types.push_back({input.dtype(), input.shape()});
  const Axes axes = *axes_of({node, types, inputs});
  const Shape& params = inputs[0].shape();
  const std::vector<int64_t> indices = as_ints(inputs[1]);
  const int64_t batches = product(params, 0, axes.batch), outer = product(params, axes.batch, axes.axis);
  const int64_t limit = params[axes.axis];
  const auto row_bytes =
      static_cast<size_t>(product(params, axes.axis + 1, params.rank())) * dtype_bytes(inputs[0].dtype());
  const int64_t per_batch = product(inputs[1].shape(), axes.batch, inputs[1].shape().rank());
  const auto* from = inputs[0].as<std::byte>();
  auto* to = output.mutable_as<std::byte>();
  for (int64_t b = 0; b < batches; ++b) {
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < per_batch; ++i) {
        const int64_t index = indices[static_cast<size_t>(b * per_batch + i)];
        if (index < 0 || index >= limit)
          bad_node(node, "index {} is out of range for an axis of size {}", index, limit);
        std::memcpy(to, from + static_cast<size_t>((b * outer + o) * limit + index) * row_bytes, row_bytes);
        to += row_bytes;
      }
    }
  }
  return {output};
}

// The last axis of the indices holds positions along the first axes of the params.
std::vector<TypeInfo> infer_gather_nd(const InferContext& context) {
  require_inputs(context, 2);
  const DType dtype = context.inputs[0].dtype;
  const Shape& params = context.inputs[0].shape;
  const Shape& indices = context.inputs[1].shape;
  if (context.node.attr_or<int64_t>("batch_dims", 0) != 0) bad_node(context.node, "batch_dims is not 0");
  if (!params.ranked() || !indices.ranked() || (indices.rank() > 0 && indices.back() < 0)) {
    return {{dtype, Shape::unknown_rank()}};
  }
  if (indices.rank() == 0 || indices.back() > static_cast<int64_t>(params.rank())) {
    bad_node(context.node, "its indices have shape {} for params of shape {}", indices.str(), params.str());
  }
  Shape out(std::vector<int64_t>(indices.begin(), indices.end() - 1));
  out.dims().insert(out.dims().end(), params.begin() + indices.back(), params.end());
  return {{dtype, out}};
}

std::vector<Tensor> evaluate_gather_nd(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_gather_nd, node, inputs);
  const Shape& params = inputs[0].shape();
  const auto depth = static_cast<size_t>(inputs[1].shape().back());
  const auto row_bytes = static_cast<size_t>(product(params, depth, params.rank())) * dtype_bytes(output.dtype());
  const std::vector<int64_t> indices = as_ints(inputs[1]);
  auto* to = output.mutable_as<std::byte>();
  if (output.elements() == 0) return {output};
  const int64_t rows = product(inputs[1].shape(), 0, inputs[1].shape().rank() - 1);
  for (int64_t i = 0; i < rows; ++i) {
    int64_t row = 0;
    for (size_t axis = 0; axis < depth; ++axis) {
      const int64_t index = indices[static_cast<size_t>(i) * depth + axis];
      if (index < 0 || index >= params[axis]) {
        bad_node(node, "index {} is out of range for an axis of size {}", index, params[axis]);
      }
      row = row * params[axis] + index;
    }
    std::memcpy(to, inputs[0].as<std::byte>() + static_cast<size_t>(row) * row_bytes, row_bytes);
    to += row_bytes;
  }
  return {output};
}

}  // namespace

std::vector<Op> gather_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "GatherV2", .infer = infer_gather, .evaluate = evaluate_gather, .int8 = passes, .moves_elements = true},
      {.name = "GatherNd", .infer = infer_gather_nd, .evaluate = evaluate_gather_nd, .int8 = passes},
      {.name = "Gather", .infer = infer_gather, .evaluate = evaluate_gather, .int8 = passes, .moves_elements = true},
  };
}

}  // namespace tfengine::ops
