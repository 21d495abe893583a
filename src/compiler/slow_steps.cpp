// SPDX-License-Identifier: Apache-2.0
#include "compiler/slow_steps.h"

#include "ops/fused_elementwise.h"

namespace tfengine::detail {

namespace {

void add_step(const plan::Plan& plan, const plan::Step& step, StepTimes& times) {
  const ir::Node& node = plan.graph.node(step.node);
  times.total_us += step.time_us;
  if (ops::is_fused(node)) {
    const std::vector<ir::NodeId> members = node.regions[0].order();
    for (const ir::NodeId member : members)
      times.by_node[node.regions[0].node(member).name] += step.time_us / static_cast<double>(members.size());
    return;
  }
  const ir::Value& made = plan.graph.value(node.outputs[0]);
  if (node.op != "Cast" || made.dtype != DType::BF16 || made.users.empty()) {
    times.by_node[node.name] += step.time_us;
    return;
  }
  for (const ir::NodeId user : made.users) {
    times.by_node[plan.graph.node(user).name] += step.time_us / static_cast<double>(made.users.size());
  }
}

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

bool can_time(const runtime::EngineConfig& config) {
  // On a GPU floats were never the faster ones, and a trial would compile hundreds of kernels.
  return config.measure && config.backends.size() > 1 && config.backends[0]->device() == nullptr;
}

StepTimes time_steps(ir::Graph graph, const runtime::EngineConfig& config,
                     const std::vector<std::vector<Shape>>& shapes) {
  runtime::EngineCore core(std::move(graph), config);
  StepTimes times;
  for (const std::vector<Shape>& set : shapes) {
    const plan::Plan plan = core.make_plan(set);
    plan::for_each_step(plan, [&](const plan::Plan& at, const plan::Step& step) {
      if (!step.elided) add_step(at, step, times);
    });
  }
  return times;
}

SlowNodes slow_nodes(const StepTimes& wide, const std::function<StepTimes(const std::set<std::string>&)>& narrow,
                     const SlowRule& rule) {
  SlowNodes result;
  StepTimes best = narrow({});
  // One node in the wider type moves conversions to its neighbours, whose times are then others: a second look settles it.
  for (int round = 0; round < 2; ++round) {
    std::set<std::string> slow = slower_nodes(best, wide, rule, result.names);
    if (slow.size() == result.names.size()) break;
    StepTimes times = narrow(slow);
    if (times.total_us >= rule.gain * best.total_us) break;
    best = std::move(times);
    result.names = std::move(slow);
  }
  result.wide_us = wide.total_us;
  result.narrow = std::move(best);
  return result;
}

}  // namespace tfengine::detail
