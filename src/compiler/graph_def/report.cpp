// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_object.h"
#include "tfgraph/dtype.h"

namespace tfengine {

namespace graphdef {

namespace {

using nlohmann::json;

std::vector<TensorSpec> specs(const GraphView& view, const GraphTypes& types, const std::vector<TensorRef>& refs) {
  std::vector<TensorSpec> specs;
  for (const TensorRef ref : refs) {
    const TensorType type = types.type(ref);
    specs.push_back({view.tensor_name(ref), tfgraph::dtype_from_proto(type.type), type.shape});
  }
  return specs;
}

GraphDefEngine describe(const GraphView& view, const GraphTypes& types, const Segment& segment,
                        const EngineText& text) {
  GraphDefEngine engine;
  engine.name = text.name;
  engine.nodes = static_cast<int>(segment.nodes.size());
  engine.inputs = specs(view, types, segment.inputs);
  engine.outputs = specs(view, types, segment.outputs);
  engine.built = !text.serialized.empty();
  for (const int id : segment.nodes) {
    const tfgraph::NodeDef& def = *view.node(id).def;
    ++engine.ops[std::string(def.op)];
    if (engine.device.empty()) engine.device = std::string(def.device);
  }
  return engine;
}

json to_json(const std::vector<TensorSpec>& specs) {
  json list = json::array();
  for (const TensorSpec& spec : specs) {
    list.push_back(json_object({{"name", spec.name}, {"dtype", dtype_name(spec.dtype)}, {"shape", spec.shape.str()}}));
  }
  return list;
}

json to_json(const GraphDefEngine& engine) {
  return json_object({{"name", engine.name},
                      {"device", engine.device},
                      {"nodes", engine.nodes},
                      {"inputs", to_json(engine.inputs)},
                      {"outputs", to_json(engine.outputs)},
                      {"ops", engine.ops},
                      {"built", engine.built}});
}

}  // namespace

GraphDefConversion make_conversion(const GraphView& view, const GraphTypes& types, const SegmentationResult& found,
                                   const std::vector<EngineText>& engines, Emitted emitted) {
  GraphDefConversion result;
  result.graph_def = std::move(emitted.graph_def);
  json list = json::array();
  for (size_t i = 0; i < found.segments.size(); ++i) {
    result.engines.push_back(describe(view, types, found.segments[i], engines[i]));
    result.nodes_converted += result.engines.back().nodes;
    list.push_back(to_json(result.engines.back()));
  }
  int pruned = 0;
  for (int id = 0; id < view.size(); ++id) {
    pruned += view.node(id).needed ? 0 : 1;
    result.nodes_total += view.node(id).needed && !view.node(id).constant ? 1 : 0;
  }
  json refusals = json::array();
  for (const segment::RefusedNode& refused : found.refusals) {
    refusals.push_back(json_object(
        {{"node", refused.node}, {"op", refused.op}, {"reason", refused.reason}, {"remedy", refused.remedy}}));
  }
  const json report = json_object({{"nodes_total", result.nodes_total},
                                   {"nodes_converted", result.nodes_converted},
                                   {"nodes_not_needed", pruned},
                                   {"shared_constants", emitted.shared_constants},
                                   {"shared_constant_bytes", emitted.shared_constant_bytes},
                                   {"engines", std::move(list)},
                                   {"refusals", std::move(refusals)},
                                   {"notes", found.notes}});
  // Names are bytes of the file: what is no UTF-8 is replaced.
  result.report_json = report.dump(-1, ' ', false, json::error_handler_t::replace);
  return result;
}

}  // namespace graphdef

std::string GraphDefConversion::report_text() const {
  const auto report = nlohmann::json::parse(report_json);
  std::string text = fmt::format("{} of {} nodes are in {} engine{}\n", nodes_converted, nodes_total, engines.size(),
                                 engines.size() == 1 ? "" : "s");
  for (const GraphDefEngine& engine : engines) {
    std::string ops;
    for (const auto& [op, count] : engine.ops) ops += fmt::format("{}{} {}", ops.empty() ? "" : ", ", count, op);
    text += fmt::format("  {}: {} nodes, {} inputs, {} outputs: {}\n", engine.name, engine.nodes, engine.inputs.size(),
                        engine.outputs.size(), ops);
  }
  if (!report["refusals"].empty()) text += fmt::format("{} nodes stay in TensorFlow:\n", report["refusals"].size());
  for (const auto& refused : report["refusals"]) {
    text += fmt::format("  {} '{}': {}; {}\n", refused["op"].get<std::string>(), refused["node"].get<std::string>(),
                        refused["reason"].get<std::string>(), refused["remedy"].get<std::string>());
  }
  for (const auto& note : report["notes"]) text += fmt::format("note: {}\n", note.get<std::string>());
  return text;
}

}  // namespace tfengine
