// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tfengine {

// Leaves the bytes in memory alone, out of every cache. Does nothing on CPUs where a program cannot ask for that.
inline void drop_from_caches(std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  constexpr size_t kLine = 64;
  for (size_t i = 0; i < bytes.size(); i += kLine) __builtin_ia32_clflush(bytes.data() + i);
  __builtin_ia32_mfence();
#else
  static_cast<void>(bytes);
#endif
}

}  // namespace tfengine
