// SPDX-License-Identifier: Apache-2.0
#include "compiler/trade_off.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace tfengine::detail {

namespace {

// Where a step has tactics that overwrite operands, those alone.
std::vector<plan::StepOptions> overwriting(const std::vector<plan::StepOptions>& steps) {
  std::vector<plan::StepOptions> result = steps;
  for (plan::StepOptions& step : result) {
    const bool any = std::any_of(step.options.begin(), step.options.end(),
                                 [](const plan::StepOption& option) { return option.overwrites; });
    if (any) std::erase_if(step.options, [](const plan::StepOption& option) { return !option.overwrites; });
  }
  return result;
}

}  // namespace

TradeOff::TradeOff(runtime::EngineCore& core, std::vector<Shape> shapes, int64_t chunks)
    : core_(core), shapes_(std::move(shapes)), chunks_(chunks) {
  core_.survey(shapes_, steps_);
}

uint64_t TradeOff::arena_of(const std::vector<bool>& overwrites, const plan::PlanRecord& record) {
  const auto known = arenas_.find(overwrites);
  if (known != arenas_.end()) return known->second;
  const uint64_t bytes = core_.make_plan(record).arena_bytes;
  arenas_.emplace(overwrites, bytes);
  return bytes;
}

EnginePoint TradeOff::point_of(const std::vector<plan::StepOptions>& steps, const plan::Selection& selection) {
  EnginePoint point;
  point.time_us = selection.time_us * static_cast<double>(chunks_);
  point.weights_bytes = selection.weights_bytes;
  point.workspace_bytes = selection.workspace_bytes;
  point.record.threads = core_.config().threads;
  point.record.input_shapes = shapes_;
  std::vector<bool> overwrites;
  for (size_t i = 0; i < steps.size(); ++i) {
    const plan::StepOption& option = steps[i].options[static_cast<size_t>(selection.choice[i])];
    point.record.tactics[steps[i].node] = {option.backend, option.tactic, option.time_us, {}};
    overwrites.push_back(option.overwrites);
  }
  point.activation_bytes = arena_of(overwrites, point.record);
  return point;
}

const std::vector<EnginePoint>& TradeOff::front() {
  if (!front_.empty()) return front_;
  std::vector<EnginePoint> all;
  for (const auto& steps : {steps_, overwriting(steps_)}) {
    for (const plan::Selection& selection : plan::best_selections(steps)) all.push_back(point_of(steps, selection));
  }
  std::stable_sort(all.begin(), all.end(), [](const EnginePoint& a, const EnginePoint& b) {
    return std::pair(a.total_bytes(), a.time_us) < std::pair(b.total_bytes(), b.time_us);
  });
  for (EnginePoint& point : all) {
    if (front_.empty() || point.time_us < front_.back().time_us) front_.push_back(std::move(point));
  }
  std::reverse(front_.begin(), front_.end());
  check(!front_.empty(), "a graph without a plan");
  return front_;
}

std::optional<EnginePoint> TradeOff::fastest_within(uint64_t total_bytes) {
  for (const EnginePoint& point : front()) {
    if (point.total_bytes() <= total_bytes) return point;
  }
  return std::nullopt;
}

const EnginePoint& TradeOff::smallest() { return front().back(); }

std::optional<EnginePoint> TradeOff::fastest_with_workspace(uint64_t max_workspace_bytes) {
  const auto selection = plan::fastest_selection(steps_, max_workspace_bytes);
  if (!selection) return std::nullopt;
  return point_of(steps_, *selection);
}

std::vector<uint64_t> TradeOff::workspaces() const {
  std::set<uint64_t> all = {0};
  for (const plan::StepOptions& step : steps_) {
    for (const plan::StepOption& option : step.options) all.insert(option.workspace_bytes);
  }
  return {all.begin(), all.end()};
}

}  // namespace tfengine::detail
