// SPDX-License-Identifier: Apache-2.0
#include "support/graph_text.h"

#include "ir/parser.h"
#include "ir/text.h"
#include "ops/op.h"
#include "support/compare.h"
#include "tfengine/error.h"

namespace tfengine::testing {

namespace {

ir::Graph graph_of(const std::string& inputs, const std::string& body, const std::string& outputs) {
  return ir::parse("graph @case(" + inputs + ") {\n" + body + "\nreturn " + outputs + "\n}");
}

}  // namespace

::testing::AssertionResult computes_expected(const std::string& body, double tolerance) {
  try {
    ir::Graph graph = graph_of("", body, "%y, %e");
    ops::infer_graph(graph);
    const std::vector<Tensor> outputs = ops::evaluate_graph(graph, {});
    const Shape& shape = graph.value(graph.outputs[0].value).shape;
    if (shape != outputs[0].shape()) {
      return ::testing::AssertionFailure() << "inferred " << shape.str() << ", computed " << outputs[0].shape().str();
    }
    return tensors_near(outputs[1], outputs[0], tolerance) << "\n" << body;
  } catch (const Error& error) {
    return ::testing::AssertionFailure() << error.what() << "\n" << body;
  }
}

std::string inferred(const std::string& inputs, const std::string& body) {
  ir::Graph graph = graph_of(inputs, body, "%y");
  ops::infer_graph(graph);
  const ir::Value& value = graph.value(graph.outputs[0].value);
  return std::string(ir::short_dtype_name(value.dtype)) + value.shape.str();
}

std::string inference_error(const std::string& inputs, const std::string& body) {
  try {
    inferred(inputs, body);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace tfengine::testing
