// SPDX-License-Identifier: Apache-2.0
// A plan: a graph with static shapes, the tactic of every step, and where every tensor lies. Plain data; binding it to
// memory and running it is runtime/.
#pragma once

#include <cstdint>
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

struct Step {
  ir::NodeId node = ir::kNone;
  std::string backend;
  Tactic tactic;
  double time_us = 0.0;        // measured, 0 when it was not
  bool elided = false;         // nothing to do: every byte is in place already
  int copy_input = ir::kNone;  // copy this input to the output first (an in-place tactic whose operand lives on)
  bool on_host = false;        // in a device's plan: its tensors go to the host and back
};

// A tactic that was not eligible under the workspace limit.
struct RejectedTactic {
  std::string node;
  std::string tactic;
  size_t workspace_bytes = 0;
};

struct Plan {
  ir::Graph graph;
  std::vector<TensorDesc> descs;    // by ValueId
  std::vector<Location> locations;  // by ValueId
  std::vector<Step> steps;
  std::vector<RejectedTactic> rejected;
  const Device* device = nullptr;  // where its tensors lie; null: in the host's memory
  int threads = 1;
  uint64_t arena_bytes = 0;
  uint64_t workspace_bytes = 0;  // maximum over the steps' tactics
  uint64_t arena_lower_bound_bytes = 0;
  uint64_t naive_activation_bytes = 0;  // every tensor in memory of its own
  int peak_step = 0;                    // index into steps
};

}  // namespace tfengine::plan
