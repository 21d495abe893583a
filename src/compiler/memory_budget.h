// SPDX-License-Identifier: Apache-2.0
// The fastest engine inside a number of bytes for everything: over precisions, chunks of the batch, and tactics. And, without a
// budget, what time costs in bytes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/refusal.h"
#include "compiler/trade_off.h"
#include "tfengine/tune.h"

namespace tfengine::detail {

// The graph of one precision, not planned yet.
struct Contender {
  std::string precision;
  runtime::EngineCore* core = nullptr;
};

// One contender and one way to run the batch through it.
struct Trial {
  size_t contender = 0;
  int64_t chunk = 0;  // samples of a run; 0: the whole batch
  std::unique_ptr<TradeOff> trade_off;
};

// Whole batches and, where samples are independent, their halves, quarters and so on that divide them.
struct ChunkSizes {
  std::vector<int64_t> sizes;  // 0 first
  std::optional<Refusal> refusal;
};
ChunkSizes chunk_sizes(const runtime::EngineCore& core, ir::Graph graph, const std::vector<Shape>& shapes);

// For these shapes of the whole batch, every precision with every chunk, surveyed.
struct Trials {
  std::vector<Trial> trials;
  std::vector<std::string> unsplit;  // why batches are not split, by contender; empty: they are, or hold one sample
};
Trials make_trials(const std::vector<Contender>& contenders, const std::vector<Shape>& shapes);

struct BudgetChoice {
  size_t contender = 0;
  int64_t chunk = 0;
  EnginePoint point;
  std::string report;  // JSON
};

// Timed, the fastest that fits; untimed, the first of the contenders' order with the largest chunk. InvalidArgument when none
// fits: the least bytes that there are, and what to change.
BudgetChoice choose_within(Trials& trials, const std::vector<Contender>& contenders, uint64_t budget_bytes,
                           int64_t batch);

// Both curves of the public memory_sweep(). InvalidArgument where a contender takes no times.
MemorySweep sweep(Trials& trials, const std::vector<Contender>& contenders, const std::string& model, int64_t batch);

// "int8, in chunks of 4".
std::string way_text(const std::string& precision, int64_t chunk);

}  // namespace tfengine::detail
