// SPDX-License-Identifier: Apache-2.0
// How the kernels of this folder share work between threads: one OpenMP region per call, none at all for one thread.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace tfengine::kernels {

// Opening and closing a region costs 1 to 2 us; below this much single-thread work it does not pay.
inline constexpr double kMinParallelNs = 6000.0;

// How many of `threads` are worth using for work that takes `total_ns` on one thread and has `units` parts.
inline int useful_threads(int threads, double total_ns, int64_t units) {
  if (threads <= 1 || total_ns < kMinParallelNs) return 1;
  return static_cast<int>(std::min<int64_t>(threads, std::max<int64_t>(units, 1)));
}

// Calls f(begin, end, thread) for contiguous parts of [0, units), one part per thread.
template <class F>
void parallel_ranges(int64_t units, int threads, F&& f) {
  if (threads <= 1 || units <= 1) {
    if (units > 0) f(int64_t{0}, units, 0);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    // The runtime may grant fewer threads than asked for.
    const int64_t team = omp_get_num_threads();
    const int64_t me = omp_get_thread_num();
    const int64_t begin = units * me / team;
    const int64_t end = units * (me + 1) / team;
    if (begin < end) f(begin, end, static_cast<int>(me));
  }
}

// A part of a grid of threads: chunks of pixels by blocks of output channels.
struct GridPart {
  int64_t chunk_begin, chunk_end;
  int64_t block_begin, block_end;
  int64_t index;  // among the parts: of the scratch memory that is the part's own
};

// Calls f(part) for each part of a grid of `rows` by `columns` over `chunks` and `blocks`, in parallel.
template <class F>
void for_each_grid_part(int rows, int columns, int64_t chunks, int64_t blocks, int threads, F&& f) {
  parallel_ranges(int64_t{rows} * columns, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t m = index / columns;
      const int64_t n = index % columns;
      f(GridPart{chunks * m / rows, chunks * (m + 1) / rows, blocks * n / columns, blocks * (n + 1) / columns, index});
    }
  });
}

}  // namespace tfengine::kernels
