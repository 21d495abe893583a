// SPDX-License-Identifier: Apache-2.0
// What a graph's engine costs in time and bytes by the tactics it takes: for the memory budget and the memory sweep. Everything
// is looked at as it would be made: times are measured, packed weights are packed, arenas are planned.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine_core.h"

namespace tfengine::detail {

// An engine that could be made.
struct EnginePoint {
  double time_us = 0.0;  // of the whole batch: the sum of its steps, times the chunks
  uint64_t weights_bytes = 0;
  uint64_t activation_bytes = 0;
  uint64_t workspace_bytes = 0;
  plan::PlanRecord record;
  uint64_t total_bytes() const { return weights_bytes + activation_bytes + workspace_bytes; }
};

class TradeOff {
 public:
  // Surveys the core's graph for these shapes, which are run `chunks` times for the batch. The core outlives it.
  TradeOff(runtime::EngineCore& core, std::vector<Shape> shapes, int64_t chunks);

  // Those that no other one beats in both time and total bytes, fastest first.
  const std::vector<EnginePoint>& front();
  // The fastest with at most so much in all; nullopt when none is small enough.
  std::optional<EnginePoint> fastest_within(uint64_t total_bytes);
  const EnginePoint& smallest();
  // The fastest whose tactics' workspace is at most this; nullopt where a step has none.
  std::optional<EnginePoint> fastest_with_workspace(uint64_t max_workspace_bytes);
  // Workspaces of tactics that a front has.
  std::vector<uint64_t> workspaces() const;

 private:
  EnginePoint point_of(const std::vector<plan::StepOptions>& steps, const plan::Selection& selection);
  uint64_t arena_of(const std::vector<bool>& overwrites, const plan::PlanRecord& record);

  runtime::EngineCore& core_;
  std::vector<Shape> shapes_;
  int64_t chunks_ = 1;
  std::vector<plan::StepOptions> steps_;
  // What arenas depend on: which of the chosen tactics may overwrite operands.
  std::map<std::vector<bool>, uint64_t> arenas_;
  std::vector<EnginePoint> front_;
};

}  // namespace tfengine::detail
