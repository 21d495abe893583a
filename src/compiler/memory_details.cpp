// SPDX-License-Identifier: Apache-2.0
// What an engine says about its memory.
#include <algorithm>
#include <map>

#include "compiler/engine_impl.h"
#include "compiler/memory_advice.h"

namespace tfengine {

namespace {

using detail::EngineImpl;

MemoryReport memory_of(const EngineImpl& impl, const runtime::ShapeEntry& entry) {
  const plan::Plan& plan = entry.plan();
  MemoryReport report;
  report.weights_bytes = impl.core->weights_bytes();
  report.activation_bytes = plan.arena_bytes;
  report.workspace_bytes = plan.workspace_bytes;
  report.peak_bytes = report.weights_bytes + report.activation_bytes + report.workspace_bytes;
  report.activation_lower_bound_bytes = plan.arena_lower_bound_bytes;
  report.naive_activation_bytes = plan.naive_activation_bytes;
  report.own_order_activation_bytes = plan.own_order_arena_bytes;
  report.any_order_lower_bound_bytes = plan.any_order_bound_bytes;
  report.file_bytes = impl.file_bytes;
  if (!plan.steps.empty()) {
    report.peak_layer = plan.graph.node(plan.steps[static_cast<size_t>(plan.peak_step)].node).name;
  }
  return report;
}

std::vector<StepMemory> steps_of(const plan::Plan& plan) {
  std::vector<StepMemory> steps;
  for (const plan::Step& step : plan.steps) {
    const ir::Node& node = plan.graph.node(step.node);
    steps.push_back({node.name, node.op, step.elided ? "in place" : step.tactic.name, 0,
                     step.elided ? 0 : step.tactic.workspace_bytes});
  }
  for (const plan::ArenaBlock& block : plan.arena) {
    for (int step = block.first_step; step <= block.last_step; ++step) {
      steps[static_cast<size_t>(step)].live_bytes += block.bytes;
    }
  }
  return steps;
}

std::vector<ArenaTensor> tensors_of(const plan::Plan& plan) {
  std::vector<ArenaTensor> tensors;
  for (const plan::ArenaBlock& block : plan.arena) {
    tensors.push_back(
        {plan.graph.value(block.value).name, block.offset, block.bytes, block.first_step, block.last_step});
  }
  return tensors;
}

std::vector<RejectedTacticMemory> rejected_of(const plan::Plan& plan) {
  std::map<std::string, double> chosen_us;
  for (const plan::Step& step : plan.steps) chosen_us[plan.graph.node(step.node).name] = step.time_us;
  std::vector<RejectedTacticMemory> rejected;
  for (const plan::RejectedTactic& tactic : plan.rejected) {
    RejectedTacticMemory row{tactic.node, tactic.tactic, tactic.workspace_bytes, 0.0, false};
    const double chosen = chosen_us[tactic.node];
    row.timed = tactic.time_us > 0.0 && chosen > 0.0;
    if (row.timed) row.gain_us = chosen - tactic.time_us;
    rejected.push_back(std::move(row));
  }
  return rejected;
}

PlanSummary summary_of(const EngineImpl& impl, const runtime::ShapeEntry& entry) {
  return {entry.shapes(), memory_of(impl, entry), entry.contexts(), entry.held_bytes()};
}

}  // namespace

MemoryReport Engine::memory(const std::vector<Shape>& input_shapes) const {
  return memory_of(*impl_, *detail::entry_or_default(*impl_, input_shapes));
}

std::vector<PlanSummary> Engine::plans() const {
  std::vector<PlanSummary> all;
  for (const auto& entry : impl_->core->entries()) all.push_back(summary_of(*impl_, *entry));
  return all;
}

uint64_t Engine::cached_bytes() const { return impl_->core->cached_bytes(); }
int64_t Engine::evictions() const { return impl_->core->evictions(); }
void Engine::release_memory() const { impl_->core->release_memory(); }

MemoryDetails Engine::memory_details(const std::vector<Shape>& input_shapes) const {
  const auto entry = detail::entry_or_default(*impl_, input_shapes);
  const plan::Plan& plan = entry->plan();
  MemoryDetails details;
  details.report = memory_of(*impl_, *entry);
  details.steps = steps_of(plan);
  details.peak_step = plan.peak_step;
  details.tensors = tensors_of(plan);
  details.rejected = rejected_of(plan);
  details.cache = plans();
  details.cached_bytes = cached_bytes();
  details.evictions = impl_->core->evictions();
  details.allocated = impl_->core->allocated();
  details.advice = detail::memory_advice(details, impl_->core->config());
  return details;
}

}  // namespace tfengine
