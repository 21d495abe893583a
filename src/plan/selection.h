// SPDX-License-Identifier: Apache-2.0
// Which tactic each step takes when bytes are short: every choice that no other one beats in both time and bytes. The bytes of
// a choice are the packed weights of all its tactics and the largest of their workspaces. Activations, which tactics hardly
// change, are the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tfengine::plan {

// One way to run a step.
struct StepOption {
  std::string backend;
  std::string tactic;
  double time_us = 0.0;  // untimed: its place in the backend's list
  uint64_t workspace_bytes = 0;
  uint64_t weights_bytes = 0;
  bool overwrites = false;  // its result may lie where an operand did, which activations need less memory by
};

struct StepOptions {
  std::string node;
  std::vector<StepOption> options;
};

// Leaves only options that no other one of the step equals or beats in time, workspace, weights and overwriting.
void drop_beaten(StepOptions& step);

// One option for each step.
struct Selection {
  std::vector<int> choice;  // by step: index into its options
  double time_us = 0.0;
  uint64_t weights_bytes = 0;
  uint64_t workspace_bytes = 0;
  uint64_t bytes() const { return weights_bytes + workspace_bytes; }
};

// Fastest first, each slower and smaller than the one before. With more than `most_kept` partial choices some are dropped, evenly
// over the bytes between the smallest and the fastest, which stay.
std::vector<Selection> best_selections(const std::vector<StepOptions>& steps, size_t most_kept = 512);
// The fastest whose workspace is at most this; nullopt where a step has no such option.
std::optional<Selection> fastest_selection(const std::vector<StepOptions>& steps, uint64_t max_workspace_bytes);

}  // namespace tfengine::plan
