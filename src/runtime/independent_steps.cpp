// SPDX-License-Identifier: Apache-2.0
#include "runtime/independent_steps.h"

#include <algorithm>
#include <functional>

namespace tfengine::runtime {

namespace {

bool overlap(const MemoryRange& a, const MemoryRange& b) {
  // Of different blocks, too: plain comparisons of their addresses would not be defined.
  const std::less<const std::byte*> before;
  return a.bytes > 0 && b.bytes > 0 && before(a.first, b.first + b.bytes) && before(b.first, a.first + a.bytes);
}

bool any_overlap(const std::vector<MemoryRange>& a, const std::vector<MemoryRange>& b) {
  return std::any_of(a.begin(), a.end(), [&](const MemoryRange& x) {
    return std::any_of(b.begin(), b.end(), [&](const MemoryRange& y) { return overlap(x, y); });
  });
}

bool independent(const StepMemory& a, const StepMemory& b) {
  return !a.alone && !b.alone && !any_overlap(a.writes, b.writes) && !any_overlap(a.writes, b.reads) &&
         !any_overlap(a.reads, b.writes);
}

}  // namespace

std::vector<size_t> independent_groups(std::span<const StepMemory> steps, size_t most) {
  std::vector<size_t> sizes;
  for (size_t first = 0; first < steps.size(); first += sizes.back()) {
    size_t end = first + 1;
    while (end < steps.size() && end - first < most &&
           std::all_of(steps.begin() + static_cast<std::ptrdiff_t>(first),
                       steps.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](const StepMemory& step) { return independent(step, steps[end]); })) {
      ++end;
    }
    sizes.push_back(end - first);
  }
  return sizes;
}

}  // namespace tfengine::runtime
