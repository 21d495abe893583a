// SPDX-License-Identifier: Apache-2.0
// Rows reduced by the segment that an index gives them: SegmentSum and its kin (sorted indices, as many segments as the
// last one says), UnsortedSegmentSum and its kin (any indices, a given number of segments), Bincount, DenseBincount.
#include <algorithm>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

Shape behind(const Shape& shape, size_t axes) {
  return Shape(std::vector<int64_t>(shape.begin() + static_cast<std::ptrdiff_t>(axes), shape.end()));
}

Shape with_rows(int64_t rows, const Shape& row) {
  Shape out{rows};
  out.dims().insert(out.dims().end(), row.begin(), row.end());
  return out;
}

std::vector<TypeInfo> infer_sorted(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& data = context.inputs[0];
  has_rank(context, 1, 1);
  if (!data.shape.ranked()) return {data};
  if (data.shape.rank() == 0) bad_node(context.node, "its data is a scalar, expected rank 1 or more");
  const auto ids = known_ints(context, 1);
  int64_t rows = -1;
  if (ids) {
    merge_dims(context.node, data.shape[0], static_cast<int64_t>(ids->size()), "the number of segment ids");
    for (size_t i = 0; i < ids->size(); ++i) {
      if ((*ids)[i] < (i > 0 ? (*ids)[i - 1] : 0)) bad_node(context.node, "its segment ids are not sorted from 0 on");
    }
    rows = ids->empty() ? 0 : ids->back() + 1;
  }
  return {{data.dtype, with_rows(rows, behind(data.shape, 1))}};
}

std::vector<TypeInfo> infer_unsorted(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& data = context.inputs[0];
  const Shape& ids = context.inputs[1].shape;
  if (!data.shape.ranked() || !ids.ranked()) return {{data.dtype, Shape::unknown_rank()}};
  if (ids.rank() > data.shape.rank()) {
    bad_node(context.node, "its ids have shape {} for data of shape {}", ids.str(), data.shape.str());
  }
  for (size_t axis = 0; axis < ids.rank(); ++axis) {
    merge_dims(context.node, data.shape[axis], ids[axis], "a dimension of the segment ids");
  }
  const auto rows = known_int(context, 2);
  if (rows && *rows < 0) bad_node(context.node, "it has {} segments, expected 0 or more", *rows);
  return {{data.dtype, with_rows(rows.value_or(-1), behind(data.shape, ids.rank()))}};
}

enum class Fold { Sum, Mean, Prod, Max, Min };

template <typename W>
W folded(Fold fold, W a, W b) {
  if (fold == Fold::Max) return std::max(a, b);
  if (fold == Fold::Min) return std::min(a, b);
  return fold == Fold::Prod ? wrapping_product(a, b) : wrapping_sum(a, b);
}

// What a segment without rows holds: 0 or 1 among sorted ids, the neutral element among unsorted ones.
template <typename T>
T empty_value(Fold fold, bool sorted) {
  using Limits = std::numeric_limits<std::conditional_t<std::is_same_v<Compute<T>, float>, float, T>>;
  if (fold == Fold::Prod) return convert_number<T>(1.0f);
  if (sorted || fold == Fold::Sum || fold == Fold::Mean) return T{};
  // The largest finite numbers of the 16-bit types.
  if constexpr (std::is_same_v<T, Half>)
    return T(fold == Fold::Max ? -65504.0f : 65504.0f);
  else if constexpr (std::is_same_v<T, BFloat16>)
    return T(fold == Fold::Max ? -0x1.fep127f : 0x1.fep127f);
  else
    return convert_number<T>(fold == Fold::Max ? Limits::lowest() : Limits::max());
}

// `ids` name a segment per row; negative ones are left out.
void reduce_segments(const ir::Node& node, const Tensor& data, const std::vector<int64_t>& ids, Fold fold, bool sorted,
                     Tensor& output) {
  const int64_t segments = output.shape()[0], row = segments > 0 ? output.elements() / segments : 0;
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    using W = std::conditional_t<std::is_same_v<Compute<T>, int64_t>, int64_t, double>;
    std::vector<W> totals(static_cast<size_t>(output.elements()));
    std::vector<int64_t> rows(static_cast<size_t>(segments), 0);
    for (size_t i = 0; i < ids.size(); ++i) {
      const int64_t id = ids[i];
      if (id < 0) continue;
      if (id >= segments) bad_node(node, "segment {} is out of range for {} segments", id, segments);
      const T* x = data.as<T>() + static_cast<int64_t>(i) * row;
      W* total = totals.data() + id * row;
      const bool first = rows[static_cast<size_t>(id)]++ == 0;
      for (int64_t k = 0; k < row; ++k) {
        const W value = static_cast<W>(x[k]);
        total[k] = first ? value : folded(fold, total[k], value);
      }
    }
    T* y = output.mutable_as<T>();
    for (int64_t id = 0; id < segments; ++id) {
      const int64_t count = rows[static_cast<size_t>(id)];
      for (int64_t k = 0; k < row; ++k, ++y) {
        W value = totals[static_cast<size_t>(id * row + k)];
        if (fold == Fold::Mean && count > 0) value /= static_cast<W>(count);
        *y = count > 0 ? convert_number<T>(value) : empty_value<T>(fold, sorted);
      }
    }
  });
}

template <Fold kFold>
std::vector<Tensor> evaluate_sorted(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_sorted, node, inputs);
  reduce_segments(node, inputs[0], as_ints(inputs[1]), kFold, true, output);
  return {output};
}

template <Fold kFold>
std::vector<Tensor> evaluate_unsorted(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_unsorted, node, inputs);
  reduce_segments(node, inputs[0], as_ints(inputs[1]), kFold, false, output);
  return {output};
}

int64_t bin_count(const InferContext& context) {
  const auto size = known_int(context, 1);
  if (size && *size < 0) bad_node(context.node, "its size is {}, expected 0 or more", *size);
  return size.value_or(-1);
}

std::vector<TypeInfo> infer_bincount(const InferContext& context) {
  require_inputs(context, 3);
  return {{context.inputs[2].dtype, {bin_count(context)}}};
}

std::vector<TypeInfo> infer_dense_bincount(const InferContext& context) {
  require_inputs(context, 3);
  const Shape& values = context.inputs[0].shape;
  const int64_t bins = bin_count(context);
  if (!values.ranked()) return {{context.inputs[2].dtype, Shape::unknown_rank()}};
  if (values.rank() > 2) bad_node(context.node, "its input has shape {}, expected rank 0 to 2", values.str());
  return {{context.inputs[2].dtype, values.rank() == 2 ? Shape{values[0], bins} : Shape{bins}}};
}

template <InferFn infer>
std::vector<Tensor> evaluate_bincount(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer, node, inputs);
  const std::vector<int64_t> values = as_ints(inputs[0]);
  const Tensor& weights = inputs[2];
  const bool weighted = weights.elements() > 0;
  if (weighted && weights.elements() != inputs[0].elements()) {
    bad_node(node, "has {} weights for {} values", weights.elements(), inputs[0].elements());
  }
  const bool binary = node.attr_or<bool>("binary_output", false);
  const int64_t bins = output.shape().back();
  const int64_t per_row = inputs[0].shape().rank() == 2 ? inputs[0].shape()[1] : inputs[0].elements();
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    std::vector<double> totals(static_cast<size_t>(output.elements()), 0.0);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] < 0) bad_node(node, "value {} is negative", values[i]);
      if (values[i] >= bins) continue;
      double& total =
          totals[i / static_cast<size_t>(per_row) * static_cast<size_t>(bins) + static_cast<size_t>(values[i])];
      total = binary ? 1.0 : total + (weighted ? static_cast<double>(weights.as<T>()[i]) : 1.0);
    }
    std::transform(totals.begin(), totals.end(), output.mutable_as<T>(),
                   [](double total) { return convert_number<T>(total); });
  });
  return {output};
}

}  // namespace

std::vector<Op> segment_ops() {
  const auto sorted = [](const char* name, EvaluateFn evaluate) {
    return Op{.name = name, .infer = infer_sorted, .evaluate = evaluate};
  };
  const auto unsorted = [](const char* name, EvaluateFn evaluate) {
    return Op{.name = name, .infer = infer_unsorted, .evaluate = evaluate};
  };
  return {
      sorted("SegmentSum", evaluate_sorted<Fold::Sum>),
      sorted("SegmentMean", evaluate_sorted<Fold::Mean>),
      sorted("SegmentProd", evaluate_sorted<Fold::Prod>),
      sorted("SegmentMax", evaluate_sorted<Fold::Max>),
      sorted("SegmentMin", evaluate_sorted<Fold::Min>),
      unsorted("UnsortedSegmentSum", evaluate_unsorted<Fold::Sum>),
      unsorted("UnsortedSegmentProd", evaluate_unsorted<Fold::Prod>),
      unsorted("UnsortedSegmentMax", evaluate_unsorted<Fold::Max>),
      unsorted("UnsortedSegmentMin", evaluate_unsorted<Fold::Min>),
      {.name = "Bincount", .infer = infer_bincount, .evaluate = evaluate_bincount<infer_bincount>},
      {.name = "DenseBincount", .infer = infer_dense_bincount, .evaluate = evaluate_bincount<infer_dense_bincount>},
  };
}

}  // namespace tfengine::ops
