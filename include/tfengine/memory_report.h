// SPDX-License-Identifier: Apache-2.0
// What an engine's memory is and where it goes: numbers that are allocated byte for byte, and what to change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tfengine/allocator.h"
#include "tfengine/export.h"
#include "tfengine/tensor.h"

namespace tfengine {

// Bytes, for one set of input shapes: the numbers the engine allocates.
struct MemoryReport {
  uint64_t weights_bytes = 0;     // packed weights, once for all shapes and contexts
  uint64_t constant_bytes = 0;    // the same weights, and all other constants, as the engine's file has them
  uint64_t activation_bytes = 0;  // the arena of one context
  uint64_t workspace_bytes = 0;   // the most that a chosen tactic needs, of one context
  // The most that tensors between plans took so far, where shapes depend on data and a call runs several plans.
  uint64_t temporary_bytes = 0;
  uint64_t peak_bytes = 0;  // the sum of the four
  // For comparison: the tensors that live at the busiest step, and every tensor in memory of its own.
  uint64_t activation_lower_bound_bytes = 0;
  uint64_t naive_activation_bytes = 0;
  uint64_t own_order_activation_bytes = 0;  // the arena with the steps in the graph's own order
  // The tensors that live at the busiest step of the best order there is, or, of networks with too many orders to look at all of
  // them, those that live at some step of every order.
  uint64_t any_order_lower_bound_bytes = 0;
  uint64_t file_bytes = 0;  // 0 unless the engine was saved or loaded
  std::string peak_layer;   // where the arena is fullest
};

// One of the plans that an engine keeps.
struct PlanSummary {
  std::vector<Shape> input_shapes;
  MemoryReport memory;
  int contexts = 0;         // calls at the same time that it has memory for
  uint64_t held_bytes = 0;  // by them now: activations and workspaces of its own
};

// A step of a plan, in order.
struct StepMemory {
  std::string name;
  std::string op;
  std::string tactic;
  uint64_t live_bytes = 0;       // of tensors in the arena while it runs
  uint64_t workspace_bytes = 0;  // that its tactic needs
  // Its weights as its tactic reads them, and as the file has them; 0 where it packs none.
  uint64_t packed_bytes = 0;
  uint64_t unpacked_bytes = 0;
};

// Bytes of the arena, and the steps during which they are a tensor's, or those of several that share them.
struct ArenaTensor {
  std::string name;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  int first_step = 0;
  int last_step = 0;
};

// A tactic that was not eligible: it needs more workspace than the limit, or more memory than there was to time it.
struct RejectedTacticMemory {
  std::string step;
  std::string tactic;
  uint64_t workspace_bytes = 0;
  double gain_us = 0.0;  // by which it is faster than the chosen one, where it was timed; below 0: slower
  bool timed = false;
};

// What to change for more speed or less memory: a setting, its value, and a sentence with the effect.
struct MemoryAdvice {
  std::string setting;
  uint64_t value = 0;
  std::string text;
};

struct MemoryDetails {
  MemoryReport report;
  std::vector<StepMemory> steps;
  int peak_step = 0;  // index into steps
  std::vector<ArenaTensor> tensors;
  std::vector<RejectedTacticMemory> rejected;
  std::vector<PlanSummary> cache;  // most recently used first
  uint64_t cached_bytes = 0;       // weights, activations and workspaces that the engine holds now
  int64_t evictions = 0;
  AllocatorStats allocated;  // what the engine was given: now, and at most
  std::vector<MemoryAdvice> advice;
};

// The arena over the steps as a picture: each tensor a box from its first to its last step, at its offset.
TFE_API std::string memory_timeline_svg(const MemoryDetails& details, const std::string& title);

}  // namespace tfengine
