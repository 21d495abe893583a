// SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "ir/verifier.h"
#include "ops/op.h"

namespace tfengine::passes {

namespace {

std::vector<ir::ValueId> ranged_values(const ir::Graph& graph) {
  std::vector<ir::ValueId> ids;
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).range) ids.push_back(id);
  }
  return ids;
}

bool exists(const ir::Graph& graph, ir::ValueId id) {
  const bool computed = graph.value(id).producer != ir::kNone || graph.value(id).is_constant();
  const bool input = std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
  return input || (computed && graph.use_count(id) > 0);
}

// A pass that moves data elsewhere takes its range along.
bool lives_on(const ir::Graph& graph, const ir::Range& range) {
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) {
    const std::optional<ir::Range>& other = graph.value(id).range;
    if (other && other->origin == range.origin && exists(graph, id)) return true;
  }
  return false;
}

// The user gave the range for a tensor that is not computed any more: saying so is part of the contract.
void report_lost_ranges(ir::Graph& graph, const std::vector<ir::ValueId>& before, std::string_view pass,
                        PassContext& context) {
  for (const ir::ValueId id : before) {
    ir::Value& value = graph.value(id);
    if (!value.range || exists(graph, id)) continue;
    if (lives_on(graph, *value.range)) {
      value.range.reset();
      continue;
    }
    context.note(fmt::format("the range of '{}' (from '{}') is ignored: {} removed the tensor", value.name,
                             value.range->origin, pass));
    context.ignored_ranges.push_back(value.name);
    value.range.reset();
  }
}

}  // namespace

PassStats run_pass(std::string_view name, PassFn fn, ir::Graph& graph, const PassOptions& options, PassReport& report) {
  PassStats stats;
  stats.name = name;
  if (std::find(options.disabled.begin(), options.disabled.end(), name) != options.disabled.end()) {
    stats.skipped = true;
    report.passes.push_back(stats);
    return stats;
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<ir::ValueId> ranged = ranged_values(graph);
  PassContext context;
  stats.rewrites = fn(graph, context);
  graph.remove_dead();
  if (stats.rewrites > 0) {
    report_lost_ranges(graph, ranged, name, context);
    ops::infer_graph(graph);
  }
  stats.elapsed_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  if (options.verify) {
    try {
      ir::verify(graph);
    } catch (const Error& error) {
      fail<InternalError>("pass '{}' left a malformed graph: {}", name, error.what());
    }
  }
  if (options.dump) options.dump(name, graph);
  report.notes.insert(report.notes.end(), context.notes.begin(), context.notes.end());
  report.ignored_ranges.insert(report.ignored_ranges.end(), context.ignored_ranges.begin(),
                               context.ignored_ranges.end());
  report.passes.push_back(stats);
  return stats;
}

}  // namespace tfengine::passes
