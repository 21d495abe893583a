// SPDX-License-Identifier: Apache-2.0
// Packs tensors with known lifetimes into one block. Tensors are placed one after another at best-fit offsets, the largest first
// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", arXiv 2001.03288) and in other orders;
// where the best of these stays above the lower bound, a bounded hill climb moves what lies highest further to the front.
// The result depends on nothing but the lifetimes.
#pragma once

#include <cstdint>
#include <vector>

namespace tfengine::plan {

struct Lifetime {
  uint64_t bytes = 0;
  int first_step = 0;
  int last_step = 0;
  // Behind this step only the first `rest_bytes` are needed: a smaller result lies over its operand; -1: all to the end.
  int shrink_step = -1;
  uint64_t rest_bytes = 0;

  uint64_t bytes_at(int step) const { return shrink_step >= 0 && step > shrink_step ? rest_bytes : bytes; }
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // one per lifetime
  uint64_t bytes = 0;
  uint64_t lower_bound_bytes = 0;  // the largest sum of bytes alive in one step: no packing can do better
  int peak_step = 0;
};

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes);

// Bytes as an arena counts them: every tensor begins on a cache line.
uint64_t arena_bytes(uint64_t bytes);

}  // namespace tfengine::plan
