// SPDX-License-Identifier: Apache-2.0
#include "kernels/gather.h"

#include <cstring>

#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

template <class Index>
void run(const GatherShape& s, const void* src, const Index* indices, void* dst, int threads) {
  const int64_t runs = s.outer * s.count;
  if (runs <= 0 || s.inner_bytes <= 0) return;
  const double ns = static_cast<double>(runs) * (3.0 + 0.1 * static_cast<double>(s.inner_bytes));
  const size_t bytes = static_cast<size_t>(s.inner_bytes);
  parallel_ranges(runs, useful_threads(threads, ns, runs), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = static_cast<int64_t>(indices[i % s.count]);
      char* to = static_cast<char*>(dst) + i * s.inner_bytes;
      if (at < 0 || at >= s.axis) {
        std::memset(to, 0, bytes);
      } else {
        std::memcpy(to, static_cast<const char*>(src) + (i / s.count * s.axis + at) * s.inner_bytes, bytes);
      }
    }
  });
}

}  // namespace

void gather(const GatherShape& shape, const void* src, const int32_t* indices, void* dst, int threads) {
  run(shape, src, indices, dst, threads);
}

void gather(const GatherShape& shape, const void* src, const int64_t* indices, void* dst, int threads) {
  run(shape, src, indices, dst, threads);
}

}  // namespace tfengine::kernels
