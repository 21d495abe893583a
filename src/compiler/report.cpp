// SPDX-License-Identifier: Apache-2.0
#include "compiler/report.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace tfengine::detail {

namespace {

using nlohmann::json;

json passes_json(const passes::PassReport& report) {
  json list = json::array();
  for (const passes::PassStats& pass : report.passes) {
    if (pass.rewrites > 0 || pass.skipped) {
      list.push_back({{"name", pass.name}, {"rewrites", pass.rewrites}, {"skipped", pass.skipped}});
    }
  }
  return list;
}

json segments_json(const segment::SegmentReport& report) {
  json refusals = json::array();
  for (const segment::RefusedNode& node : report.refusals) {
    refusals.push_back({{"node", node.node}, {"op", node.op}, {"reason", node.reason}, {"remedy", node.remedy}});
  }
  return {{"segments", report.segments},
          {"nodes", report.nodes},
          {"reference_nodes", report.reference_nodes},
          {"refusals", refusals}};
}

json rewrite_json(const quantize::RewriteReport& report) {
  json nodes = json::array();
  for (const quantize::NodeReport& node : report.nodes) {
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"int8", node.int8},
                     {"reason", std::string(quantize::reason_name(node.reason))},
                     {"text", node.text}});
  }
  json tensors = json::array();
  for (const quantize::TensorReport& tensor : report.tensors) {
    json row = {{"name", tensor.name}, {"dtype", std::string(dtype_name(tensor.dtype))}, {"text", tensor.text}};
    if (tensor.source) {
      // Ranges as people read them; the exact scale stands in the graph.
      row["max_abs"] = static_cast<double>(tensor.max_abs);
      row["source"] = std::string(quantize::source_name(*tensor.source));
    }
    tensors.push_back(std::move(row));
  }
  return {{"nodes", nodes},
          {"tensors", tensors},
          {"ignored_ranges", report.ignored},
          {"missing_ranges", report.missing},
          {"quantize_nodes", report.quantize_nodes},
          {"dequantize_nodes", report.dequantize_nodes},
          {"requantize_nodes", report.requantize_nodes}};
}

}  // namespace

std::string to_json(const ConversionReport& report) {
  json document = {{"passes", passes_json(report.passes)},
                   {"segments", segments_json(report.segments)},
                   {"notes", report.notes},
                   {"seconds", std::round(report.seconds * 1000.0) / 1000.0}};
  if (!report.rewrite.nodes.empty()) {
    document["int8"] = rewrite_json(report.rewrite);
    document["calibrator"] = report.calibrator;
    document["calibration_samples"] = report.calibration_samples;
  }
  return document.dump();
}

}  // namespace tfengine::detail
