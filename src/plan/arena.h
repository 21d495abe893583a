// SPDX-License-Identifier: Apache-2.0
// Packs tensors with known lifetimes into one block. Greedy by size with best-fit offsets (Pisarchyk and Lee, "Efficient
// Memory Management for Deep Neural Net Inference", arXiv 2001.03288), which is at or near the lower bound on CNNs.
#pragma once

#include <cstdint>
#include <vector>

namespace tfengine::plan {

struct Lifetime {
  uint64_t bytes = 0;
  int first_step = 0;
  int last_step = 0;
};

struct ArenaLayout {
  std::vector<int64_t> offsets;  // one per lifetime
  uint64_t bytes = 0;
  uint64_t lower_bound_bytes = 0;  // the largest sum of bytes alive in one step: no packing can do better
  int peak_step = 0;
};

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace tfengine::plan
