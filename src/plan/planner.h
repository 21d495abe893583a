// SPDX-License-Identifier: Apache-2.0
// From a graph with static shapes to a Plan: which backend and tactic for every step, measured under the workspace
// limit, and where every tensor lies.
#pragma once

#include <functional>
#include <map>
#include <span>

#include "plan/plan.h"
#include "plan/selection.h"
#include "plan/timing_cache.h"

namespace tfengine::plan {

struct ChosenTactic {
  std::string backend;
  std::string tactic;
  double time_us = 0.0;
  std::string state;  // Tactic::state
};

struct PlanOptions {
  // In order of preference; the last one has to take every op. The first one says where tensors lie: steps of backends on
  // the host then take theirs from there and back.
  std::vector<const Backend*> backends;
  int threads = 1;
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  // Times eligible tactics on this machine; off: the first eligible one is taken.
  bool measure = true;
  TimingCache* timing_cache = nullptr;
  // Choices of an earlier plan by node name: taken without measuring where they still exist and are eligible.
  const std::map<std::string, ChosenTactic>* recorded = nullptr;
  // What that plan's limit kept out: taken instead where it is eligible now and was measured to be faster.
  const std::vector<RejectedTactic>* recorded_rejected = nullptr;
  // Concat inputs are written in place and elementwise results over their operands.
  bool share_memory = true;
  // Looks for an order of steps that needs less memory; off: the graph's own.
  bool reorder = true;
  // Observers need every tensor after the run: no tensor shares memory with another, nor with one that is dead.
  bool keep_all = false;
  // When given: what each step could be run by, with times, workspace and bytes of packed weights, in the order of
  // the graph's steps; those that are left where their bytes are, and tactics that another one beats in everything, are left
  // out. `recorded` does not count then.
  std::vector<StepOptions>* survey = nullptr;
  std::function<void(int done, int total, const std::string& node)> progress;
};

Plan make_plan(ir::Graph graph, PackedStore& packed, const PlanOptions& options);

// The step's static description, as backends see it.
StepSpec step_spec(const ir::Graph& graph, const ir::Node& node, std::span<const TensorDesc> descs, int threads);
// Dense descriptions of all values of a graph with static shapes.
std::vector<TensorDesc> describe_values(const ir::Graph& graph);

}  // namespace tfengine::plan
