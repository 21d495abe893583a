// SPDX-License-Identifier: Apache-2.0
// Memory for many blocks in pages of 2 MiB, where the system has them: a network's weights are read from end to end in each
// run, and with pages of 4 KiB looking up addresses takes 2 to 3 % of ResNet-50's time (Zen 4, virtual machine).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "tfengine/allocator.h"

namespace tfengine {

// Not thread-safe. Blocks are cut from slabs of addresses, which take memory as they are filled. What is given back goes back
// to the system by small pages; a slab goes with its last block.
class HugePages {
 public:
  HugePages() = default;
  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;
  ~HugePages();
  // Null when the system refuses, or when `alignment` is above 4096.
  void* allocate(size_t bytes, size_t alignment) noexcept;
  // False when the block did not come from here.
  bool deallocate(void* block, size_t bytes) noexcept;
  // Gives back what the last huge page of each slab has beyond its blocks. Blocks may follow, on small pages for a while.
  void trim() noexcept;
  size_t slabs() const { return slabs_.size(); }

 private:
  struct Slab {
    size_t bytes = 0;
    std::unique_ptr<ArenaAllocator> blocks;
    size_t end = 0;  // of the block that reaches furthest
    bool trimmed = false;
  };
  using Slabs = std::map<std::byte*, Slab>;
  Slabs::iterator new_slab(size_t bytes) noexcept;
  Slabs::iterator slab_of(void* block) noexcept;
  static void* cut(std::byte* begin, Slab& slab, size_t bytes, size_t alignment) noexcept;

  Slabs slabs_;
};

// One block in pages of 2 MiB, where the system has them, that frees itself; null when the system refuses. Its memory comes at
// first use, from whichever threads use it. A block that was freed lately may come again, with what was in it: the system takes
// longer to hand out 40 MB than a simple step to write them. At most kMostKeptBytes are kept so.
inline constexpr size_t kMostKeptBytes = size_t{256} << 20;
std::shared_ptr<void> huge_block(size_t bytes);
// Gives back what is kept.
void release_huge_blocks();

}  // namespace tfengine
