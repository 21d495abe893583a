// SPDX-License-Identifier: Apache-2.0
#include "kernels/one_hot.h"

#include <algorithm>
#include <cstring>

#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

template <class T, class Index>
void run(const OneHotShape& s, const Index* indices, const void* on, const void* off, T* dst, int threads) {
  T one, zero;
  std::memcpy(&one, on, sizeof(T));
  std::memcpy(&zero, off, sizeof(T));
  const int64_t block = s.depth * s.inner;
  const double ns = 0.1 * static_cast<double>(s.outer * block * static_cast<int64_t>(sizeof(T)));
  // With one long vector of indices the blocks are rows of one index.
  parallel_ranges(s.outer, useful_threads(threads, ns, s.outer), [&](int64_t begin, int64_t end, int) {
    for (int64_t o = begin; o < end; ++o) {
      T* to = dst + o * block;
      std::fill_n(to, block, zero);
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto at = static_cast<int64_t>(indices[o * s.inner + i]);
        if (at >= 0 && at < s.depth) to[at * s.inner + i] = one;
      }
    }
  });
}

template <class T>
void with_index(const OneHotShape& s, const void* indices, const void* on, const void* off, void* dst, int threads) {
  if (s.index_bytes == 1) return run(s, static_cast<const uint8_t*>(indices), on, off, static_cast<T*>(dst), threads);
  if (s.index_bytes == 4) return run(s, static_cast<const int32_t*>(indices), on, off, static_cast<T*>(dst), threads);
  run(s, static_cast<const int64_t*>(indices), on, off, static_cast<T*>(dst), threads);
}

}  // namespace

void one_hot(const OneHotShape& s, const void* indices, const void* on, const void* off, void* dst, int threads) {
  switch (s.elem_bytes) {
    case 1:
      return with_index<uint8_t>(s, indices, on, off, dst, threads);
    case 2:
      return with_index<uint16_t>(s, indices, on, off, dst, threads);
    case 4:
      return with_index<uint32_t>(s, indices, on, off, dst, threads);
    default:
      return with_index<uint64_t>(s, indices, on, off, dst, threads);
  }
}

}  // namespace tfengine::kernels
