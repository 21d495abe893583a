// SPDX-License-Identifier: Apache-2.0
#include "compiler/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/json_object.h"

namespace tfengine::detail {

namespace {

using nlohmann::json;

json passes_json(const passes::PassReport& report) {
  json list = json::array();
  for (const passes::PassStats& pass : report.passes) {
    if (pass.rewrites > 0 || pass.skipped) {
      list.push_back(json_object({{"name", pass.name}, {"rewrites", pass.rewrites}, {"skipped", pass.skipped}}));
    }
  }
  return list;
}

json segments_json(const segment::SegmentReport& report) {
  json refusals = json::array();
  for (const segment::RefusedNode& node : report.refusals) {
    refusals.push_back(
        json_object({{"node", node.node}, {"op", node.op}, {"reason", node.reason}, {"remedy", node.remedy}}));
  }
  return json_object({{"segments", report.segments},
                      {"nodes", report.nodes},
                      {"reference_nodes", report.reference_nodes},
                      {"refusals", refusals}});
}

json rewrite_json(const quantize::RewriteReport& report) {
  json nodes = json::array();
  for (const quantize::NodeReport& node : report.nodes) {
    nodes.push_back(json_object({{"name", node.name},
                                 {"op", node.op},
                                 {"int8", node.int8},
                                 {"reason", std::string(quantize::reason_name(node.reason))},
                                 {"text", node.text}}));
  }
  json tensors = json::array();
  for (const quantize::TensorReport& tensor : report.tensors) {
    json row =
        json_object({{"name", tensor.name}, {"dtype", std::string(dtype_name(tensor.dtype))}, {"text", tensor.text}});
    if (tensor.source) {
      // Ranges as people read them; the exact scale stands in the graph.
      row["max_abs"] = static_cast<double>(tensor.max_abs);
      row["source"] = std::string(quantize::source_name(*tensor.source));
    }
    tensors.push_back(std::move(row));
  }
  return json_object({{"nodes", nodes},
                      {"tensors", tensors},
                      {"ignored_ranges", report.ignored},
                      {"unused_ranges", report.unused},
                      {"bounded_ranges", report.bounded},
                      {"missing_ranges", report.missing},
                      {"quantize_nodes", report.quantize_nodes},
                      {"dequantize_nodes", report.dequantize_nodes},
                      {"requantize_nodes", report.requantize_nodes}});
}

double rounded(double value, double steps) { return std::round(value * steps) / steps; }
// JSON has no infinity.
double finite(double value) { return std::clamp(value, -999.0, 999.0); }

json ladder_json(const LadderReport& ladder) {
  json rungs = json::array();
  for (const Rung& rung : ladder.rungs) {
    rungs.push_back(json_object({{"what", rung.what},
                                 {"score", rung.score.value},
                                 {"agreement", rung.score.agreement},
                                 {"db", rounded(finite(rung.score.db), 100.0)},
                                 {"typical_db", rounded(finite(rung.score.typical_db), 100.0)},
                                 {"text", rung.text},
                                 {"kept", rung.kept}}));
  }
  json document = json_object({{"terms", ladder.terms}, {"rungs", rungs}, {"float_layers", ladder.float_layers}});
  if (ladder.contract) document["holds"] = ladder.holds;
  if (ladder.final_us > 0.0) {
    document["plain_us"] = rounded(ladder.plain_us, 10.0);
    document["final_us"] = rounded(ladder.final_us, 10.0);
  }
  return document;
}

json gains_json(const std::vector<Gain>& gains) {
  json list = json::array();
  for (const Gain& gain : gains)
    list.push_back(json_object({{"what", gain.what}, {"db", rounded(finite(gain.db), 100.0)}}));
  return list;
}

json explanations_json(const std::vector<Explanation>& rows) {
  json list = json::array();
  for (const Explanation& row : rows) {
    json each = json_object({{"tensor", row.tensor}});
    if (row.clipped) each["clipped"] = rounded(*row.clipped, 1e7);
    if (row.alone_db) each["alone_db"] = rounded(finite(*row.alone_db), 10.0);
    if (row.so_far_db) each["so_far_db"] = rounded(finite(*row.so_far_db), 10.0);
    if (row.dead_channels) each["dead_channels"] = *row.dead_channels;
    if (row.channels) each["channels"] = *row.channels;
    list.push_back(std::move(each));
  }
  return list;
}

json times_json(const std::map<std::string, LayerTimes>& times) {
  json document = json::object();
  for (const auto& [name, layer] : times) {
    document[name] =
        json_object({{"float_us", rounded(layer.float_us, 10.0)}, {"int8_us", rounded(layer.int8_us, 10.0)}});
  }
  return document;
}

}  // namespace

std::string to_json(const ConversionReport& report) {
  json document = json_object({{"passes", passes_json(report.passes)},
                               {"segments", segments_json(report.segments)},
                               {"notes", report.notes},
                               {"seconds", std::round(report.seconds * 1000.0) / 1000.0}});
  if (!report.memory_budget.empty()) document["memory_budget"] = json::parse(report.memory_budget);
  if (!report.rewrite.nodes.empty()) {
    document["int8"] = rewrite_json(report.rewrite);
    document["calibrator"] = report.calibrator;
    document["calibration_samples"] = report.calibration_samples;
    document["measures"] = report.measures;
    if (!report.ladder.terms.empty()) document["accuracy"] = ladder_json(report.ladder);
    if (!report.gains.empty()) document["gains"] = gains_json(report.gains);
    if (!report.explanations.empty()) document["explain"] = explanations_json(report.explanations);
    if (!report.times.empty()) document["times"] = times_json(report.times);
  }
  return document.dump();
}

std::string missing_ranges_text(const std::vector<std::string>& missing) {
  const bool one = missing.size() == 1;
  return fmt::format("{} tensor{} no INT8 range, and what reads {} stays in float: '{}'", missing.size(),
                     one ? " has" : "s have", one ? "it" : "them", fmt::join(missing, "', '"));
}

}  // namespace tfengine::detail
