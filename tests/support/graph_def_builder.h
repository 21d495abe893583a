// SPDX-License-Identifier: Apache-2.0
// Small GraphDefs written by hand, and the means to see what conversion made of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "tfgraph/graph_def.h"
#include "tfgraph/write.h"

namespace tfengine::testing {

class GraphDefBuilder {
 public:
  explicit GraphDefBuilder(uint64_t seed = 1) : state_(seed) {}

  // Each returns the node's name. An element of `inputs` is written as it is.
  std::string placeholder(const std::string& name, const Shape& shape, uint64_t type = 1);
  std::string constant(const std::string& name, const Shape& shape);  // of random floats in [-0.5, 0.5]
  std::string ints(const std::string& name, const std::vector<int32_t>& values);
  std::string scalar(const std::string& name, int32_t value);
  // A float op of attribute T; more attributes may follow.
  std::string node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
                   const std::vector<tfgraph::AttrMessage>& attrs = {{"T", tfgraph::type_attr(1)}});
  // Conv2D 3x3 SAME, `name` + "/bias", Relu `name`, of own weights.
  std::string conv(const std::string& name, const std::string& input, int64_t in, int64_t out,
                   const std::string& format = "NHWC");
  std::string dense(const std::string& name, const std::string& input, int64_t in, int64_t out);
  // The device, and raw fields, of the node that was added last.
  void device(const std::string& device);
  void add_raw(const std::string& node_fields);
  void add_function(const std::string& function_message) { functions_.push_back(function_message); }
  void add_field(const std::string& bytes) { fields_ += bytes; }

  std::string bytes() const;

 private:
  float random();
  uint64_t state_;
  std::vector<std::string> nodes_;
  std::vector<std::string> functions_;
  std::string fields_;
};

// A graph whose TRTEngineOp nodes call their native segments, as TensorFlow would run it without engines.
std::string with_native_segments(const std::string& graph_def);
// The outputs of a GraphDef by the reference implementation. Inputs by placeholder.
std::vector<Tensor> evaluate_graph_def(const std::string& graph_def, const std::map<std::string, Tensor>& inputs,
                                       const std::vector<std::string>& outputs);
// "op(input,input) name" per line, in the order of the GraphDef, constants left out.
std::string outline(const std::string& graph_def);

}  // namespace tfengine::testing
