// SPDX-License-Identifier: Apache-2.0
// Arithmetic read as mathematics: a tree of multiplications as a scale times factors, a chain of scalings as k * x. So
// that 0.5 * x * (1 + erf(..)) is found in whatever order and grouping an exporter wrote it.
#pragma once

#include <vector>

#include "passes/rewrite.h"

namespace tfengine::passes {

struct Product {
  double scale = 1.0;
  std::vector<ValueId> factors;  // not constants
};
// Follows Mul, Neg and division by scalars from `value` down to values in `stops` and to what is no product.
Product product_of(const Graph& graph, ValueId value, const std::vector<ValueId>& stops);
// Whether `value` is scale * factors[0] * factors[1]..., in any order, the scale within 0.1 %.
bool is_product(const Graph& graph, ValueId value, double scale, std::vector<ValueId> factors);

struct Scaled {
  ValueId value;
  double scale;
};
// All ways to read `value` as scale * x, the value itself (scale 1) first.
std::vector<Scaled> scalings_of(const Graph& graph, ValueId value);
// `value` as x + constant.
struct Shifted {
  ValueId value;
  double offset;
};
std::optional<Shifted> shift_of(const Graph& graph, ValueId value);

// Constants of formulas are compared within 0.1 %: exporters write 0.7071 and 0.044715 with few digits.
bool close_to(double a, double b);

}  // namespace tfengine::passes
