// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_winograd_plan.h"

namespace tfengine::kernels {

namespace {

// Weights are transformed and multiplied for so many input channels at a time that they stay in the second-level cache
// beside the sources, which most such caches (1 MiB, 512 KiB) would lose to a whole block of weights.
int64_t most_run_steps(const WinogradElems& e) {
  constexpr int64_t kRunBytes = 160 * 1024;
  return kRunBytes / (36 * e.depth * kOcBlock * kWinogradBlocks * e.mid_bytes);
}

}  // namespace

WinogradPlan::WinogradPlan(const ConvShape& s, const WinogradElems& e, int threads)
    : shape(s),
      elems(e),
      tiles_h(ceil_div(s.out_h, 4)),
      tiles_w(ceil_div(s.out_w, 4)),
      tile_rows(s.batch * tiles_h),
      steps(ceil_div(s.in_c, e.depth)),
      run_steps(most_run_steps(e)),
      oc_blocks(ceil_div(s.out_c, kOcBlock)) {
  threads = std::max(threads, 1);
  double best = 0.0;
  for (int n = 1; n <= threads; ++n) {
    if (threads % n != 0) continue;
    const double c = cost(threads / n, n);
    if (best != 0.0 && c >= best) continue;
    best = c;
    threads_m = threads / n;
    threads_n = n;
  }
  const int64_t most = max_chunk_tiles();
  const int64_t rows = ceil_div(tile_rows, threads_m);
  chunk_cols = ceil_div(tiles_w, ceil_div(tiles_w, most));
  chunks_w = ceil_div(tiles_w, chunk_cols);
  const int64_t chunks_h = std::min(threads_m * ceil_div(rows, std::max<int64_t>(1, most / chunk_cols)), tile_rows);
  chunk_rows = ceil_div(tile_rows, chunks_h);
  chunks = chunks_h * chunks_w;
}

// Sources of a chunk are read once per block of output channels, and each chunk transforms all weights anew: 28 tiles make
// that 5 % of the work, so they may spill from the second-level cache.
int64_t WinogradPlan::max_chunk_tiles() const {
  constexpr int64_t kChunkBytes = 320 * 1024;
  return std::max<int64_t>(kChunkBytes / (36 * mid_c() * elems.mid_bytes), 28);
}

// Cycles per step of the busiest thread.
double WinogradPlan::cost(int m, int n) const {
  const double rows = static_cast<double>(ceil_div(tile_rows, m));
  const double tiles = rows * static_cast<double>(tiles_w);
  const double blocks = static_cast<double>(ceil_div(oc_blocks, n));
  const double chunks_m = std::max(1.0, tiles / static_cast<double>(max_chunk_tiles()));
  return tiles * blocks * (elems.multiply + elems.finish / static_cast<double>(steps)) +
         chunks_m * blocks * elems.weights + tiles * elems.source;
}

WinogradScratch::WinogradScratch(const WinogradPlan& p) {
  const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
  const int64_t line = 64 / p.elems.mid_bytes;
  source_stride = p.chunk_tiles() * p.mid_c() + line;
  weights_stride = std::min(p.run_steps, p.steps) * p.elems.depth * kOcBlock * kWinogradBlocks + line;
  block_sums = p.chunk_tiles() * 36 * kOcBlock;
  source_at = align(p.shape.in_c * 4 + 64);
  weights_at = source_at + align(36 * source_stride * p.elems.mid_bytes);
  sums_at = weights_at + align(36 * weights_stride * p.elems.mid_bytes);
  results_at = sums_at + align(block_sums * kWinogradBlocks * 4);
  bytes = results_at + align(4 * p.chunk_cols * 4 * kOcBlock * 4);
}

}  // namespace tfengine::kernels
