// SPDX-License-Identifier: Apache-2.0
// Every op over its types, ranks and attributes against what TensorFlow computed (tests/golden/ops): inference, which must
// not contradict the result, and evaluation.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ops/op.h"
#include "support/compare.h"
#include "support/op_archives.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::OpCase;

// Rounding of the type, and functions that are polynomials good to a few units in the last place.
double tolerance_of(const Tensor& expected, const OpCase& one) {
  DType coarsest = expected.dtype();
  const auto bits = [](DType dtype) { return dtype == DType::BF16 ? 8 : dtype == DType::F16 ? 11 : 24; };
  for (const auto& [name, input] : one.inputs) {
    if (bits(input.dtype()) < bits(coarsest)) coarsest = input.dtype();
  }
  return bits(coarsest) == 8 ? 2e-2 : bits(coarsest) == 11 ? 2e-3 : 2e-5;
}

// Complex numbers as twice as many real ones.
Tensor parts(const Tensor& tensor) {
  if (tensor.dtype() != DType::C64) return tensor;
  Shape shape = tensor.shape();
  shape.dims().push_back(2);
  return {DType::F32, shape, tensor.data(), std::make_shared<Tensor>(tensor)};
}

void expect_fits(const Shape& inferred, const Shape& actual) {
  if (!inferred.ranked()) return;
  ASSERT_EQ(inferred.rank(), actual.rank()) << inferred.str() << " inferred, got " << actual.str();
  for (size_t axis = 0; axis < actual.rank(); ++axis) {
    EXPECT_TRUE(inferred[axis] < 0 || inferred[axis] == actual[axis])
        << inferred.str() << " inferred, got " << actual.str();
  }
}

void run_case(const OpCase& one) {
  ir::Graph graph = testing::import_case(one);
  ops::infer_graph(graph);
  const std::vector<Tensor> outputs = ops::evaluate_graph(graph, testing::inputs_of(one, graph));
  ASSERT_EQ(outputs.size(), one.expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double tolerance = tolerance_of(one.expected[i], one);
    EXPECT_TRUE(testing::tensors_near(parts(one.expected[i]), parts(outputs[i]), tolerance)) << "output " << i;
    expect_fits(graph.value(graph.outputs[i].value).shape, outputs[i].shape());
    EXPECT_EQ(dtype_name(graph.value(graph.outputs[i].value).dtype), dtype_name(outputs[i].dtype()));
  }
}

class OpArchive : public ::testing::TestWithParam<std::string> {};

TEST_P(OpArchive, MatchesTensorFlow) {
  for (const auto& [name, one] : testing::op_cases(GetParam())) {
    SCOPED_TRACE(name);
    try {
      run_case(one);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpArchive, ::testing::ValuesIn(testing::op_archives()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tfengine
