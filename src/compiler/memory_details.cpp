// SPDX-License-Identifier: Apache-2.0
// What an engine says about its memory.
#include <algorithm>
#include <map>

#include "compiler/engine_impl.h"
#include "compiler/memory_advice.h"

namespace tfengine {

namespace {

using detail::EngineImpl;

uint64_t constant_bytes_of(const ir::Graph& whole) {
  uint64_t bytes = 0;
  ir::for_each_graph(whole, [&](const ir::Graph& graph) {
    for (ir::ValueId id = 0; id < graph.value_count(); ++id) bytes += graph.value(id).constant.bytes();
  });
  return bytes;
}

// Of the entry's plan and of the latest of each that follows it: contexts of all of them stay for the next call.
MemoryReport memory_of(const EngineImpl& impl, const runtime::ShapeEntry& entry) {
  MemoryReport report;
  report.weights_bytes = impl.core->weights_bytes();
  report.constant_bytes = constant_bytes_of(impl.core->graph());
  const runtime::EngineConfig& config = impl.core->config();
  const bool kept = config.workspace == WorkspaceUse::Kept && config.shared_workspace == nullptr;
  uint64_t fullest_bytes = 0;
  runtime::for_each_stage(entry, [&](const runtime::ShapeEntry& stage) {
    const plan::Plan& plan = stage.plan();
    report.activation_bytes += plan.arena_bytes;
    report.workspace_bytes =
        kept ? report.workspace_bytes + plan.workspace_bytes : std::max(report.workspace_bytes, plan.workspace_bytes);
    report.activation_lower_bound_bytes += plan.arena_lower_bound_bytes;
    report.naive_activation_bytes += plan.naive_activation_bytes;
    report.own_order_activation_bytes += plan.own_order_arena_bytes;
    report.any_order_lower_bound_bytes += plan.any_order_bound_bytes;
    if (plan.steps.empty() || (!report.peak_layer.empty() && plan.arena_bytes <= fullest_bytes)) return;
    fullest_bytes = plan.arena_bytes;
    report.peak_layer = plan.graph.node(plan.steps[static_cast<size_t>(plan.peak_step)].node).name;
  });
  if (entry.next() != nullptr) {
    report.temporary_bytes = impl.core->allocated().peak_bytes[static_cast<size_t>(Purpose::Temporary)];
  }
  report.peak_bytes = report.weights_bytes + report.activation_bytes + report.workspace_bytes + report.temporary_bytes;
  report.file_bytes = impl.file_bytes;
  return report;
}

void add_weights(const runtime::PreparedPlan& prepared, size_t index, StepMemory& step) {
  const auto& kernel = prepared.kernels[index];
  step.packed_bytes = kernel == nullptr ? 0 : kernel->weights().size();
  if (step.packed_bytes == 0) return;
  // Beside the weights there may be a bias.
  const ir::Graph& graph = prepared.plan.graph;
  for (const ir::ValueId input : graph.node(prepared.plan.steps[index].node).inputs)
    step.unpacked_bytes = std::max<uint64_t>(step.unpacked_bytes, graph.value(input).constant.bytes());
}

void add_steps(const runtime::PreparedPlan& prepared, std::vector<StepMemory>& steps) {
  const plan::Plan& plan = prepared.plan;
  const size_t first = steps.size();
  for (const plan::Step& step : plan.steps) {
    const ir::Node& node = plan.graph.node(step.node);
    steps.push_back({node.name, node.op, step.elided ? "in place" : step.tactic.name, 0,
                     step.elided ? 0 : step.tactic.workspace_bytes, 0, 0});
    add_weights(prepared, steps.size() - 1 - first, steps.back());
  }
  for (const plan::ArenaBlock& block : plan.arena) {
    for (int step = block.first_step; step <= block.last_step; ++step) {
      steps[first + static_cast<size_t>(step)].live_bytes += block.bytes;
    }
  }
}

// `first_step`, `first_byte`: where the plan stands among those that follow each other.
void add_tensors(const plan::Plan& plan, int first_step, uint64_t first_byte, std::vector<ArenaTensor>& tensors) {
  for (const plan::ArenaBlock& block : plan.arena) {
    tensors.push_back({plan.graph.value(block.value).name, first_byte + block.offset, block.bytes,
                       first_step + block.first_step, first_step + block.last_step});
  }
}

void add_rejected(const plan::Plan& plan, std::vector<RejectedTacticMemory>& rejected) {
  std::map<std::string, double> chosen_us;
  for (const plan::Step& step : plan.steps) chosen_us[plan.graph.node(step.node).name] = step.time_us;
  for (const plan::RejectedTactic& tactic : plan.rejected) {
    RejectedTacticMemory row{tactic.node, tactic.tactic, tactic.workspace_bytes, 0.0, false};
    const double chosen = chosen_us[tactic.node];
    row.timed = tactic.time_us > 0.0 && chosen > 0.0;
    if (row.timed) row.gain_us = chosen - tactic.time_us;
    rejected.push_back(std::move(row));
  }
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
  MemoryDetails details;
  details.report = memory_of(*impl_, *entry);
  uint64_t arena_bytes = 0, fullest_bytes = 0;
  runtime::for_each_stage(*entry, [&](const runtime::ShapeEntry& stage) {
    const plan::Plan& plan = stage.plan();
    const auto first_step = static_cast<int>(details.steps.size());
    if (plan.arena_bytes > fullest_bytes || first_step == 0) {
      fullest_bytes = plan.arena_bytes;
      details.peak_step = first_step + plan.peak_step;
    }
    add_steps(stage.prepared(), details.steps);
    add_tensors(plan, first_step, arena_bytes, details.tensors);
    add_rejected(plan, details.rejected);
    arena_bytes += plan.arena_bytes;
  });
  details.cache = plans();
  details.cached_bytes = cached_bytes();
  details.evictions = impl_->core->evictions();
  details.allocated = impl_->core->allocated();
  details.advice = detail::memory_advice(details, impl_->core->config());
  return details;
}

}  // namespace tfengine
