// SPDX-License-Identifier: Apache-2.0
#include "plan/arena.h"

#include <algorithm>
#include <numeric>

#include "base/buffer.h"

namespace tfengine::plan {

namespace {

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first_step <= b.last_step && b.first_step <= a.last_step;
}

// The smallest gap between the placed neighbours in which `bytes` fit; else behind the last of them.
int64_t best_offset(uint64_t bytes, std::vector<std::pair<int64_t, int64_t>>& occupied) {
  std::sort(occupied.begin(), occupied.end());
  int64_t best = -1;
  int64_t best_gap = INT64_MAX;
  int64_t end = 0;
  for (const auto& [from, to] : occupied) {
    const int64_t gap = from - end;
    if (gap >= static_cast<int64_t>(bytes) && gap < best_gap) {
      best = end;
      best_gap = gap;
    }
    end = std::max(end, to);
  }
  return best >= 0 ? best : end;
}

}  // namespace

ArenaLayout pack_arena(const std::vector<Lifetime>& lifetimes) {
  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  std::vector<size_t> placed;
  for (const size_t index : by_size) {
    const Lifetime& item = lifetimes[index];
    if (item.bytes == 0) continue;
    std::vector<std::pair<int64_t, int64_t>> occupied;
    for (const size_t other : placed) {
      if (!overlap(item, lifetimes[other])) continue;
      occupied.emplace_back(layout.offsets[other],
                            layout.offsets[other] + static_cast<int64_t>(aligned(lifetimes[other].bytes)));
    }
    layout.offsets[index] = best_offset(aligned(item.bytes), occupied);
    layout.bytes = std::max(layout.bytes, static_cast<uint64_t>(layout.offsets[index]) + aligned(item.bytes));
    placed.push_back(index);
  }
  int last = 0;
  for (const Lifetime& item : lifetimes) last = std::max(last, item.last_step);
  std::vector<uint64_t> live(static_cast<size_t>(last) + 1, 0);
  for (const Lifetime& item : lifetimes) {
    for (int step = item.first_step; step <= item.last_step; ++step) {
      live[static_cast<size_t>(step)] += aligned(item.bytes);
    }
  }
  const auto peak = std::max_element(live.begin(), live.end());
  layout.lower_bound_bytes = *peak;
  layout.peak_step = static_cast<int>(peak - live.begin());
  return layout;
}

}  // namespace tfengine::plan
