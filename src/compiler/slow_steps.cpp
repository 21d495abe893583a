// SPDX-License-Identifier: Apache-2.0
#include "compiler/slow_steps.h"

namespace tfengine::detail {

namespace {

std::set<std::string> slower_nodes(const StepTimes& narrow, const StepTimes& wide, const SlowRule& rule,
                                   const std::set<std::string>& already) {
  std::set<std::string> slow = already;
  for (const auto& [name, narrow_us] : narrow.by_node) {
    const auto found = wide.by_node.find(name);
    if (found != wide.by_node.end() && narrow_us > rule.factor * found->second + rule.slack_us) slow.insert(name);
  }
  return slow;
}

}  // namespace

StepTimes Trials::time(ir::Graph graph) const {
  runtime::EngineCore core(std::move(graph), config_);
  StepTimes times;
  for (const std::vector<Shape>& set : shapes_) {
    const plan::Plan plan = core.make_plan(set);
    for (const plan::Step& step : plan.steps) {
      if (step.elided) continue;
      times.total_us += step.time_us;
      times.by_node[plan.graph.node(step.node).name] += step.time_us;
    }
  }
  return times;
}

SlowNodes Trials::find(const ir::Graph& wide, const std::function<ir::Graph(const std::set<std::string>&)>& narrow,
                       const SlowRule& rule) const {
  const StepTimes wide_times = time(wide);
  StepTimes best = time(narrow({}));
  SlowNodes result;
  // One node in the wider type moves conversions to its neighbours, whose times are then others: a second look settles it.
  for (int round = 0; round < 2; ++round) {
    std::set<std::string> slow = slower_nodes(best, wide_times, rule, result.names);
    if (slow.size() == result.names.size()) break;
    StepTimes times = time(narrow(slow));
    if (times.total_us >= rule.gain * best.total_us) break;
    best = std::move(times);
    result.names = std::move(slow);
  }
  result.wide_us = wide_times.total_us;
  result.narrow_us = best.total_us;
  return result;
}

}  // namespace tfengine::detail
