// SPDX-License-Identifier: Apache-2.0
// Running totals along an axis: Cumsum, Cumprod, CumulativeLogsumexp, each inclusive or exclusive, from either end.
#include <cmath>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/strided.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_cumulative(const InferContext& context) {
  require_inputs(context, 2);
  const TypeInfo& input = context.inputs[0];
  if (const auto axis = known_int(context, 1); axis && input.shape.ranked() && input.shape.rank() > 0) {
    normalize_axis(context.node, *axis, input.shape.rank());
  }
  return {input};
}

struct Total {
  template <typename W>
  static W start() {
    return 0;
  }
  template <typename W>
  static W add(W a, W b) {
    return wrapping_sum(a, b);
  }
};

struct Product {
  template <typename W>
  static W start() {
    return 1;
  }
  template <typename W>
  static W add(W a, W b) {
    return wrapping_product(a, b);
  }
};

struct LogSumExp {
  // The logarithm of nothing.
  template <typename W>
  static W start() {
    return std::is_integral_v<W> ? std::numeric_limits<W>::lowest() : -std::numeric_limits<W>::infinity();
  }
  template <typename W>
  static W add(W a, W b) {
    const auto x = static_cast<double>(a), y = static_cast<double>(b);
    if (std::isinf(x) && x == y) return a;
    return static_cast<W>(std::max(x, y) + std::log1p(std::exp(-std::fabs(x - y))));
  }
};

// Integers wrap in 64 bits, whose low bits are those of narrower sums; real numbers are summed in double.
template <typename Rule>
std::vector<Tensor> evaluate_cumulative(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_cumulative, node, inputs);
  const Shape& shape = output.shape();
  if (shape.rank() == 0) bad_node(node, "its input is a scalar, expected rank 1 or more");
  if (inputs[1].elements() != 1) bad_node(node, "its axis has shape {}, expected a scalar", inputs[1].shape().str());
  const size_t axis = normalize_axis(node, as_ints(inputs[1])[0], shape.rank());
  if (output.elements() == 0) return {output};
  const bool exclusive = node.attr_or<bool>("exclusive", false), reverse = node.attr_or<bool>("reverse", false);
  const int64_t size = shape[axis], inner = dense_strides(shape)[axis];
  const int64_t step = reverse ? -inner : inner, first = reverse ? (size - 1) * inner : 0;
  visit_dtype(output.dtype(), [&]<typename T>(T) {
    using W = std::conditional_t<std::is_same_v<Compute<T>, int64_t>, int64_t, double>;
    for (int64_t line = 0; line < output.elements() / size; ++line) {
      const int64_t base = line / inner * size * inner + line % inner + first;
      const T* x = inputs[0].as<T>() + base;
      T* y = output.mutable_as<T>() + base;
      W total = Rule::template start<W>();
      for (int64_t i = 0; i < size; ++i) {
        const W next = Rule::add(total, static_cast<W>(x[i * step]));
        y[i * step] = convert_number<T>(exclusive ? total : next);
        total = next;
      }
    }
  });
  return {output};
}

}  // namespace

std::vector<Op> cumulative_ops() {
  return {
      {.name = "Cumsum", .infer = infer_cumulative, .evaluate = evaluate_cumulative<Total>},
      {.name = "Cumprod", .infer = infer_cumulative, .evaluate = evaluate_cumulative<Product>},
      {.name = "CumulativeLogsumexp", .infer = infer_cumulative, .evaluate = evaluate_cumulative<LogSumExp>},
  };
}

}  // namespace tfengine::ops
