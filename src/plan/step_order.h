// SPDX-License-Identifier: Apache-2.0
// An order of steps that needs little memory at its worst moment. Dynamic programming over sets of finished steps, which decide
// what is alive (Ahn et al., "Ordering Chaos: Memory-Aware Scheduling of Irregularly Wired Neural Networks",
// arXiv 2003.02369): part by part between steps that everything passes through, only where a part is the worst, and with a
// limit on the sets that are kept. Where that limit is not reached, no order needs less; where it is, orders within smaller and
// smaller peaks are looked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tfengine::plan {

// A step as its order sees it: it needs its blocks while it runs. A block is alive from the first step that needs it to the
// last.
struct OrderStep {
  std::vector<int> after;   // steps that have to be finished
  std::vector<int> blocks;  // each once
  // `to`, which begins here, may lie where `from` does when nothing else needs `from` any more.
  struct Overwrite {
    int from = 0;
    int to = 0;
  };
  std::vector<Overwrite> overwrites;
};

struct OrderProblem {
  std::vector<uint64_t> block_bytes;
  std::vector<OrderStep> steps;  // listed in an order that is allowed: their own
};

struct StepOrder {
  std::vector<int> order;  // of steps
  uint64_t peak_bytes = 0;
  uint64_t own_peak_bytes = 0;  // of the steps' own order
  uint64_t bound_bytes = 0;     // what every order needs
  bool exact = false;           // no order needs less than peak_bytes
};

// Bytes at the worst moment of an order that is allowed.
uint64_t peak_of_order(const OrderProblem& problem, const std::vector<int>& order);
// The steps' own order where no better one is found. `most_states` limits the sets of each size that are kept.
StepOrder find_step_order(const OrderProblem& problem, size_t most_states = 256);

}  // namespace tfengine::plan
