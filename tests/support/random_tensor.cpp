// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/numeric.h"
#include "support/random.h"

namespace tfengine::testing {

Tensor random_tensor(Random& random, DType dtype, const Shape& shape, float low, float high) {
  Tensor tensor(dtype, shape);
  ops::visit_dtype(dtype, [&]<typename T>(T) {
    T* data = tensor.mutable_as<T>();
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      if constexpr (std::is_integral_v<T>) {
        const auto first = static_cast<int64_t>(std::ceil(low));
        data[i] = static_cast<T>(random.integer(first, std::max(first, static_cast<int64_t>(std::floor(high)))));
      } else {
        data[i] = ops::convert_number<T>(random.real(low, high));
      }
    }
  });
  return tensor;
}

std::vector<Tensor> random_inputs(Random& random, const ir::Graph& graph, int64_t open) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) {
    Shape shape = graph.value(id).shape;
    std::replace(shape.dims().begin(), shape.dims().end(), int64_t{-1}, open);
    inputs.push_back(random_tensor(random, graph.value(id).dtype, shape));
  }
  return inputs;
}

}  // namespace tfengine::testing
