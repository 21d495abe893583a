// SPDX-License-Identifier: Apache-2.0
#include "quantize/report.h"

#include <set>

#include "base/check.h"
#include "quantize/facts.h"

namespace tfengine::quantize {

namespace {

size_t at(int32_t id) { return static_cast<size_t>(id); }

std::string why_float(const ir::Graph& graph, const Decision& decision, ir::ValueId id) {
  const ir::NodeId producer = graph.value(id).producer;
  if (!decision.has_range(id)) return "float: it has no INT8 range";
  if (producer == ir::kNone) return "float: a graph input that no INT8 node reads";
  const ir::Node& node = graph.node(producer);
  if (!decision.int8(producer)) {
    return fmt::format("float: made by {} '{}', which is float: {}", node.op, node.name,
                       decision.nodes[at(producer)].text);
  }
  if (graph.value(id).users.empty()) return "float: a graph output that no node reads";
  return "float: no INT8 node reads it";
}

std::string why_int8(const ir::Graph& graph, const Decision& decision, const Grid& grid, ir::ValueId id) {
  const std::string_view form = grid.dtype == DType::U8 ? "unsigned" : "signed";
  const std::string zero = grid.zero_point == 0 ? "" : fmt::format(" and zero point {}", grid.zero_point);
  const std::string how = fmt::format("{} grid of scale {:.6g}{}, range {:.6g} ({}, {})", form, grid.scale, zero,
                                      grid.max_abs, source_name(grid.source), grid.origin);
  if (decision.stored(id)) return "INT8: " + how;
  const bool input = graph.value(id).producer == ir::kNone;
  return fmt::format("float with an INT8 copy: {}{}", how, input ? "; a graph input" : "; its producer is float");
}

TensorReport tensor_report(const ir::Graph& graph, const std::vector<std::optional<ir::Range>>& ranges,
                           const Decision& decision, const Grids& grids, ir::ValueId id) {
  TensorReport report;
  report.name = graph.value(id).name;
  const Grid& grid = grids.of_value[at(id)];
  if (const std::optional<ir::Range>& range = ranges[at(id)]) {
    report.max_abs = range->max_abs;
    report.source = range->source;
    report.origin = range->origin;
  }
  if (grid.dtype == DType::Invalid) {
    report.text = why_float(graph, decision, id);
    return report;
  }
  report.dtype = grid.dtype;
  report.scale = grid.scale;
  report.zero_point = grid.zero_point;
  report.max_abs = grid.max_abs;
  report.source = grid.source;
  report.origin = grid.origin;
  report.text = why_int8(graph, decision, grid, id);
  return report;
}

}  // namespace

std::string_view reason_name(NodeReason reason) {
  constexpr std::string_view kNames[] = {"int8",
                                         "float_only_op",
                                         "not_float_data",
                                         "precision_loss",
                                         "user_choice",
                                         "gate",
                                         "backend_refusal",
                                         "slower_in_int8",
                                         "no_range",
                                         "weights_not_constant",
                                         "no_int8_neighbour"};
  return kNames[static_cast<size_t>(reason)];
}

RewriteReport make_report(const ir::Graph& graph, const RangeTable& table,
                          const std::vector<std::optional<ir::Range>>& ranges, const Decision& decision,
                          const Grids& grids) {
  RewriteReport report;
  for (const ir::NodeId id : graph.order()) {
    const NodeChoice& choice = decision.nodes[at(id)];
    report.nodes.push_back({graph.node(id).name, graph.node(id).op, choice.int8(), choice.reason, choice.text});
  }
  std::set<std::string, std::less<>> names;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const ir::Value& value = graph.value(id);
    const bool live = value.producer != ir::kNone || graph.use_count(id) > 0;
    if (!live) continue;
    names.insert(value.name);
    if (!is_float_activation(value)) continue;
    report.tensors.push_back(tensor_report(graph, ranges, decision, grids, id));
    if (is_custom(ranges[at(id)]) && grids.of_value[at(id)].dtype == DType::Invalid)
      report.unused.push_back(value.name);
  }
  for (const auto& [name, entry] : table.entries()) {
    if (entry.source == ir::RangeSource::Custom && names.count(name) == 0) report.ignored.push_back(name);
  }
  report.missing = decision.missing;
  return report;
}

}  // namespace tfengine::quantize
