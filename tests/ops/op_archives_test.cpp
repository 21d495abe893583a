// SPDX-License-Identifier: Apache-2.0
// Every op over its types, ranks and attributes against what TensorFlow computed (tests/golden/ops): inference, which must
// not contradict the result, evaluation, and the same graph with its inputs as constants, folded away.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "io/npz.h"
#include "ops/numeric.h"
#include "ops/op.h"
#include "support/compare.h"
#include "tfengine/error.h"
#include "tfgraph/read.h"

namespace tfengine {
namespace {

namespace fs = std::filesystem;

const fs::path kArchives = fs::path(TFE_SOURCE_DIR) / "tests" / "golden" / "ops";

struct OpCase {
  std::string graph;
  std::map<std::string, Tensor> inputs;
  std::vector<Tensor> expected;
};

// By name. Members are called CASE/graph, CASE/in/NAME, CASE/out/NUMBER.
std::map<std::string, OpCase> read_cases(const fs::path& path) {
  const auto file = MappedFile::open(path);
  std::map<std::string, OpCase> cases;
  for (NamedTensor& member : io::parse_npz(file->text(), file)) {
    const size_t slash = member.name.find('/');
    OpCase& one = cases[member.name.substr(0, slash)];
    const std::string rest = member.name.substr(slash + 1);
    if (rest == "graph") {
      one.graph.assign(member.tensor.as<char>(), static_cast<size_t>(member.tensor.elements()));
    } else if (rest.substr(0, 3) == "in/") {
      one.inputs[rest.substr(3)] = member.tensor;
    } else {
      const size_t number = std::stoul(rest.substr(4));
      if (one.expected.size() <= number) one.expected.resize(number + 1);
      one.expected[number] = member.tensor;
    }
  }
  return cases;
}

ir::Graph import(const OpCase& one) {
  tfgraph::ImportOptions options;
  for (size_t i = 0; i < one.expected.size(); ++i) options.outputs.push_back("out_" + std::to_string(i));
  return tfgraph::read_graph_bytes(one.graph, nullptr, "case", options);
}

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
  ir::Graph graph = import(one);
  ops::infer_graph(graph);
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) inputs.push_back(one.inputs.at(graph.value(id).name));
  const std::vector<Tensor> outputs = ops::evaluate_graph(graph, inputs);
  ASSERT_EQ(outputs.size(), one.expected.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const double tolerance = tolerance_of(one.expected[i], one);
    EXPECT_TRUE(testing::tensors_near(parts(one.expected[i]), parts(outputs[i]), tolerance)) << "output " << i;
    expect_fits(graph.value(graph.outputs[i].value).shape, outputs[i].shape());
    EXPECT_EQ(dtype_name(graph.value(graph.outputs[i].value).dtype), dtype_name(outputs[i].dtype()));
  }
}

std::vector<std::string> archives() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kArchives)) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class OpArchive : public ::testing::TestWithParam<std::string> {};

TEST_P(OpArchive, MatchesTensorFlow) {
  for (const auto& [name, one] : read_cases(kArchives / (GetParam() + ".npz"))) {
    SCOPED_TRACE(name);
    try {
      run_case(one);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpArchive, ::testing::ValuesIn(archives()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tfengine
