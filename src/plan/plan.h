// SPDX-License-Identifier: Apache-2.0
// A plan: a graph with static shapes, the tactic of every step, and where every tensor lies. Plain data; binding it to
// memory and running it is runtime/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plan/backend.h"

namespace tfengine::plan {

enum class Place : uint8_t { None, Arena, Input, Output, Constant };

// Where a value's first byte is: `offset` bytes into the arena, into graph input `index`, or into graph output `index`.
struct Location {
  Place place = Place::None;
  int index = 0;
  int64_t offset = 0;
};

struct Plan;

// What a step with regions runs: plans of the regions, in a part of the arena of the plan that the step is in.
struct RegionPlans {
  std::vector<Plan> plans;  // by region
  // Loops: where the body writes each state, relative to the step's scratch; kInPlace: over the state of the iteration before.
  static constexpr int64_t kInPlace = -1;
  std::vector<int64_t> next_state;
  int64_t condition = 0;  // where the condition goes
  // The regions' own arenas begin where the scratch does: they do not run at the same time.
  uint64_t scratch_bytes = 0;
  int64_t scratch_offset = 0;  // in the arena
  // In a device's plan, where regions run on the host, its memory takes the place of scratch and workspace.
  uint64_t host_scratch_bytes = 0, host_workspace_bytes = 0;
};

struct Step {
  ir::NodeId node = ir::kNone;
  std::string backend;
  Tactic tactic;
  double time_us = 0.0;        // measured, 0 when it was not
  bool elided = false;         // nothing to do: every byte is in place already
  int copy_input = ir::kNone;  // copy this input to the output first (an in-place tactic whose operand lives on)
  RegionPlans regions;         // of nodes that have any
  bool on_host = false;        // in a device's plan: its tensors go to the host and back
};

// A tactic that was not eligible under the workspace limit, and how long it takes: 0 where it was not timed.
struct RejectedTactic {
  std::string node;
  std::string backend;
  std::string tactic;
  uint64_t workspace_bytes = 0;
  double time_us = 0.0;
};

// A block of the arena, and the steps during which its value, and those that share its memory, live.
struct ArenaBlock {
  ir::ValueId value = ir::kNone;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  int first_step = 0;
  int last_step = 0;
};

struct Plan {
  uint64_t number = 0;  // no other plan of the process has it: those who watch runs know a plan again by it
  ir::Graph graph;
  std::vector<TensorDesc> descs;    // by ValueId
  std::vector<Location> locations;  // by ValueId
  std::vector<Step> steps;
  std::vector<RejectedTactic> rejected;
  std::vector<ArenaBlock> arena;
  const Device* device = nullptr;  // where its tensors lie; null: in the host's memory
  int threads = 1;
  uint64_t arena_bytes = 0;
  uint64_t workspace_bytes = 0;  // maximum over the steps' tactics
  uint64_t arena_lower_bound_bytes = 0;
  uint64_t naive_activation_bytes = 0;  // every tensor in memory of its own
  uint64_t own_order_arena_bytes = 0;   // with the steps in the graph's own order
  uint64_t any_order_bound_bytes = 0;   // what every order of the steps needs; 0 where that was not asked
  int peak_step = 0;                    // index into steps
};

// Calls `use` for each step and, behind it, for those of the plans that it runs.
void for_each_step(const Plan& plan, const std::function<void(const Plan& plan, const Step& step)>& use);

}  // namespace tfengine::plan
