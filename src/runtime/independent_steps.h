// SPDX-License-Identifier: Apache-2.0
// Which neighbouring steps of a device's plan may run beside each other: a small product leaves most of a GPU idle, and attention
// has three in a row that read the same rows.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tfengine::runtime {

struct MemoryRange {
  const std::byte* first = nullptr;
  size_t bytes = 0;
};

struct StepMemory {
  std::vector<MemoryRange> reads, writes;
  bool alone = false;  // uses memory that is not in the lists
};

// The sizes, one behind the other, of groups of at most `most` steps none of which writes what another one of its group reads
// or writes.
std::vector<size_t> independent_groups(std::span<const StepMemory> steps, size_t most);

}  // namespace tfengine::runtime
