// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/constants.h"

#include "tfgraph/tensor_proto.h"
#include "tfgraph/write.h"

namespace tfengine::graphdef {

namespace {

// Below this a copy costs less than a call.
constexpr size_t kLargeBytes = 1024;

}  // namespace

SharedConstants::SharedConstants(const GraphView& view, const std::vector<Segment>& segments,
                                 const std::vector<bool>& in_main, const std::string& prefix)
    : view_(view) {
  std::map<int, int> places;
  for (const Segment& segment : segments) {
    for (const int id : segment.constants) ++places[id];
  }
  for (const auto& [id, count] : places) {
    const tfgraph::NodeDef& def = *view.node(id).def;
    if (def.op != "Const" || def.message.size() < kLargeBytes) continue;
    if (count + (in_main[static_cast<size_t>(id)] ? 1 : 0) < 2) continue;
    tfgraph::FunctionText function;
    do {
      function.name = prefix + std::to_string(functions_.size());
    } while (view.has_function(function.name));
    function.outputs.push_back({"value", tfgraph::attr_type(def, "dtype")});
    function.returns.emplace_back("constant:output:0");
    const std::vector<std::string> no_inputs;
    tfgraph::NodeChange change;
    change.inputs = &no_inputs;
    change.name = "constant";
    change.attrs.emplace_back("_class", "");
    function.nodes.push_back(tfgraph::changed_node(def, change));
    names_[id] = function.name;
    functions_.push_back(tfgraph::function_message(function));
    bytes_ += def.message.size();
  }
}

std::string SharedConstants::call(int node, const std::vector<std::string>& inputs) const {
  const tfgraph::NodeDef& def = *view_.node(node).def;
  const Shape shape = tfgraph::read_tensor_type(tfgraph::attr_tensor(def, "value").value_or("")).second;
  return tfgraph::node_message(def.name, "PartitionedCall", inputs, def.device,
                               {{"Tin", tfgraph::types_attr({})},
                                {"Tout", tfgraph::types_attr({tfgraph::attr_type(def, "dtype")})},
                                {"_output_shapes", tfgraph::shapes_attr({shape})},
                                {"config", tfgraph::string_attr("")},
                                {"config_proto", tfgraph::string_attr("")},
                                {"executor_type", tfgraph::string_attr("")},
                                {"f", tfgraph::function_attr(names_.at(node))}});
}

}  // namespace tfengine::graphdef
