// SPDX-License-Identifier: Apache-2.0
// Exact 3x3 convolution with a quarter of the multiplications (conv_winograd_math-inl.h). Weights stay 8-bit in memory: the
// transformed ones would be 8 times larger (36 positions of 16 bits for 9 taps of 8), and transforming a block of them
// costs as much as multiplying it with one or two tiles.
#include "kernels/conv_winograd_int8.h"

#include <cstring>

#include "kernels/conv_plan.h"
#include "kernels/epilogue_tile.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_winograd_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_winograd_math-inl.h"
#include "kernels/gemm_pairs-inl.h"

#ifndef TFENGINE_KERNELS_CONV_WINOGRAD_INT8_ONCE
#define TFENGINE_KERNELS_CONV_WINOGRAD_INT8_ONCE
namespace tfengine::kernels {

struct WinogradPlan {
  int64_t tiles_h, tiles_w, tile_rows;  // of an image; tile_rows of all images
  int64_t pairs;                        // of input channels
  int64_t oc_blocks;
  int64_t chunk_rows, chunks;  // in tile rows
  int threads_m = 1, threads_n = 1;

  WinogradPlan(const ConvShape& s, int threads)
      : tiles_h(ceil_div(s.out_h, 4)),
        tiles_w(ceil_div(s.out_w, 4)),
        tile_rows(s.batch * tiles_h),
        pairs(ceil_div(s.in_c, 2)),
        oc_blocks(ceil_div(s.out_c, kOcBlock)) {
    double best = 0.0;
    for (int n = 1; n <= std::max(threads, 1); ++n) {
      if (threads % n != 0) continue;
      const double c = cost(threads / n, n);
      if (best != 0.0 && c >= best) continue;
      best = c;
      threads_m = threads / n;
      threads_n = n;
    }
    const int64_t rows = ceil_div(tile_rows, threads_m);
    chunk_rows = ceil_div(rows, ceil_div(rows, max_chunk_rows()));
    chunks = ceil_div(tile_rows, chunk_rows);
  }

  int64_t chunk_tiles() const { return chunk_rows * tiles_w; }

  // Sources of a chunk are read once per block of output channels, and each chunk transforms all weights anew: 28 tiles
  // make that 5 % of the work, so they may spill from the second-level cache.
  int64_t max_chunk_rows() const {
    constexpr int64_t kChunkBytes = 320 * 1024;
    const int64_t tile_bytes = 36 * pairs * 2 * static_cast<int64_t>(sizeof(int16_t));
    return std::max<int64_t>(1, std::max(kChunkBytes / tile_bytes, int64_t{28}) / tiles_w);
  }

  // Cycles per pair of input channels of the busiest thread. Measured: a tile and a block take 48 (36 positions, 8 cycles
  // for 6 rows), transforming a block's weights 90, a tile's sources 12, a tile's results of a block 300 in all.
  double cost(int m, int n) const {
    const double rows = static_cast<double>(ceil_div(tile_rows, m));
    const double tiles = rows * static_cast<double>(tiles_w);
    const double blocks = static_cast<double>(ceil_div(oc_blocks, n));
    const double chunk_n = std::max(1.0, rows / static_cast<double>(max_chunk_rows()));
    return tiles * blocks * (48.0 + 300.0 / static_cast<double>(pairs)) + chunk_n * blocks * 90.0 + tiles * 12.0;
  }
};

struct WinogradArgs {
  const ConvShape* shape;
  const WinogradPlan* plan;
  bool src_signed;
  const uint8_t* src;
  const int8_t* packed;
  const Epilogue* epilogue;
  void* dst;
  int64_t chunk_begin, chunk_end;
  int64_t block_begin, block_end;
  std::byte* scratch;
};

// Where the parts of a thread's scratch lie, and their strides in elements.
struct WinogradScratch {
  int64_t source_stride;   // from a position to the next
  int64_t weights_stride;  // likewise; one cache line more than a power of two, else all positions share a few sets
  size_t zeros_at = 0, source_at, weights_at, sums_at, results_at, bytes;

  WinogradScratch(const ConvShape& s, const WinogradPlan& p) {
    const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
    source_stride = p.chunk_tiles() * p.pairs * 2 + 32;
    weights_stride = p.pairs * 2 * kOcBlock + 32;
    source_at = align(s.in_c + 64);
    weights_at = source_at + align(36 * source_stride * 2);
    sums_at = weights_at + align(36 * weights_stride * 2);
    results_at = sums_at + align(p.chunk_tiles() * 36 * kOcBlock * 4);
    bytes = results_at + align(4 * p.tiles_w * 4 * kOcBlock * 4);
  }
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// Channels at a time of the source transform. in_c is at least that, so the last vector may overlap its neighbour.
using SourceTag = hn::CappedTag<int16_t, 16>;

template <class T>
void transform_tile_row(const WinogradArgs& a, int64_t tile_row, const T* zeros, int16_t* out, int64_t out_stride) {
  const ConvShape& s = *a.shape;
  const WinogradPlan& p = *a.plan;
  const SourceTag d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const T* image = reinterpret_cast<const T*>(a.src) + tile_row / p.tiles_h * s.in_h * s.in_w * s.src_pixel_stride;
  const int64_t y0 = tile_row % p.tiles_h * kTileOut - s.pad_top;
  for (int64_t tile = 0; tile < p.tiles_w; ++tile) {
    const int64_t x0 = tile * kTileOut - s.pad_left;
    const T* pixels[kTilePositions];
    for (int64_t i = 0; i < kTilePositions; ++i) {
      const int64_t y = y0 + i / kTileIn;
      const int64_t x = x0 + i % kTileIn;
      const bool inside = y >= 0 && y < s.in_h && x >= 0 && x < s.in_w;
      pixels[i] = inside ? image + (y * s.in_w + x) * s.src_pixel_stride : zeros;
    }
    int16_t* tile_out = out + tile * p.pairs * 2;
    for (int64_t c = 0; c < s.in_c; c += lanes) {
      const int64_t channel = std::min(c, s.in_c - lanes);
      transform_source(d16, pixels, channel, tile_out + channel, out_stride);
    }
    if (s.in_c % 2 != 0) {
      for (int64_t i = 0; i < kTilePositions; ++i) tile_out[i * out_stride + s.in_c] = 0;
    }
  }
}

inline void transform_block_weights(const WinogradPlan& p, const int8_t* packed, int16_t* out, int64_t out_stride) {
  const hn::CappedTag<int16_t, 2 * kOcBlock> d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  for (int64_t pair = 0; pair < p.pairs; ++pair) {
    for (int64_t v = 0; v < 2 * kOcBlock; v += lanes) {
      transform_weights(d16, packed + v, 2 * kOcBlock, out + v, out_stride);
    }
    packed += 9 * 2 * kOcBlock;
    out += 2 * kOcBlock;
  }
}

inline void multiply_positions(const WinogradPlan& p, const WinogradScratch& layout, int64_t tiles,
                               const int16_t* source, const int16_t* weights, int32_t* sums) {
  const int64_t zero = 0;
  const PairRuns runs{&zero, 1, p.pairs};
  const int64_t parts = ceil_div(tiles, kTileRows);
  for (int64_t position = 0; position < kTilePositions; ++position) {
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = tiles * part / parts;
      const int64_t rows_n = tiles * (part + 1) / parts - begin;
      const int16_t* rows[kTileRows];
      for (int64_t r = 0; r < rows_n; ++r) {
        rows[r] = source + position * layout.source_stride + (begin + r) * p.pairs * 2;
      }
      tile_of_pairs_rows(static_cast<int>(rows_n), rows, runs, weights + position * layout.weights_stride,
                         sums + (begin * kTilePositions + position) * kOcBlock, kTilePositions * kOcBlock);
    }
  }
}

inline void finish_tile_row(const WinogradArgs& a, int64_t tile_row, int64_t block, const int32_t* sums,
                            int32_t* results) {
  const ConvShape& s = *a.shape;
  const WinogradPlan& p = *a.plan;
  const hn::CappedTag<int32_t, kOcBlock> d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d32));
  const int64_t row_elems = p.tiles_w * kTileOut * kOcBlock;
  for (int64_t tile = 0; tile < p.tiles_w; ++tile) {
    for (int64_t v = 0; v < kOcBlock; v += lanes) {
      transform_results(d32, sums + tile * kTilePositions * kOcBlock + v, kOcBlock,
                        results + tile * kTileOut * kOcBlock + v, row_elems, kOcBlock);
    }
  }
  const int64_t y0 = tile_row % p.tiles_h * kTileOut;
  const int64_t channel = block * kOcBlock;
  for (int64_t y = y0; y < std::min(y0 + kTileOut, s.out_h); ++y) {
    const int64_t first_pixel = (tile_row / p.tiles_h * s.out_h + y) * s.out_w;
    finish_tile(*a.epilogue, EpilogueTile<int32_t>{results + (y - y0) * row_elems, kOcBlock, s.out_w,
                                                   std::min(kOcBlock, s.out_c - channel), first_pixel, channel, a.dst,
                                                   s.dst_pixel_stride});
  }
}

void conv_winograd(const WinogradArgs& a) {
  const WinogradPlan& p = *a.plan;
  const WinogradScratch layout(*a.shape, p);
  auto* zeros = reinterpret_cast<uint8_t*>(a.scratch + layout.zeros_at);
  auto* source = reinterpret_cast<int16_t*>(a.scratch + layout.source_at);
  auto* weights = reinterpret_cast<int16_t*>(a.scratch + layout.weights_at);
  auto* sums = reinterpret_cast<int32_t*>(a.scratch + layout.sums_at);
  auto* results = reinterpret_cast<int32_t*>(a.scratch + layout.results_at);
  std::memset(zeros, 0, static_cast<size_t>(a.shape->in_c) + 64);

  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first_row = chunk * p.chunk_rows;
    const int64_t rows = std::min(p.chunk_rows, p.tile_rows - first_row);
    for (int64_t row = 0; row < rows; ++row) {
      int16_t* out = source + row * p.tiles_w * p.pairs * 2;
      if (a.src_signed) {
        transform_tile_row(a, first_row + row, reinterpret_cast<const int8_t*>(zeros), out, layout.source_stride);
      } else {
        transform_tile_row(a, first_row + row, zeros, out, layout.source_stride);
      }
    }
    for (int64_t block = a.block_begin; block < a.block_end; ++block) {
      transform_block_weights(p, a.packed + block * p.pairs * 9 * 2 * kOcBlock, weights, layout.weights_stride);
      multiply_positions(p, layout, rows * p.tiles_w, source, weights, sums);
      for (int64_t row = 0; row < rows; ++row) {
        finish_tile_row(a, first_row + row, block, sums + row * p.tiles_w * kTilePositions * kOcBlock, results);
      }
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_winograd);

namespace conv_winograd_int8 {
namespace {

// Whether every possible sum fits the 26 bits that the transforms keep.
bool sums_fit(const ConvShape& s, Elem src_elem, const int8_t* weights) {
  constexpr int64_t kLimit = int64_t{1} << 25;
  const int64_t taps = 9 * s.in_c;
  for (int64_t oc = 0; oc < s.out_c; ++oc) {
    int64_t positive = 0, negative = 0;
    for (int64_t k = 0; k < taps; ++k) {
      const int64_t w = weights[k * s.out_c + oc];
      (w > 0 ? positive : negative) += std::abs(w);
    }
    const int64_t largest = src_elem == Elem::S8 ? 128 * (positive + negative) : 255 * std::max(positive, negative);
    if (largest >= kLimit) return false;
  }
  return true;
}

}  // namespace

bool supports(const ConvShape& s, Elem src_elem, const int8_t* weights) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 &&
         s.dilation_w == 1 && s.groups == 1 && s.in_c >= kOcBlock && src_elem != Elem::F32 &&
         sums_fit(s, src_elem, weights);
}

size_t packed_bytes(const ConvShape& s) {
  return static_cast<size_t>(ceil_div(s.out_c, kOcBlock) * ceil_div(s.in_c, 2) * 9 * 2 * kOcBlock);
}

// [block of outputs][pair of inputs][tap][output][input of the pair]
void pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  for (int64_t oc0 = 0; oc0 < s.out_c; oc0 += kOcBlock) {
    for (int64_t ic0 = 0; ic0 < s.in_c; ic0 += 2) {
      for (int64_t tap = 0; tap < 9; ++tap) {
        for (int64_t i = 0; i < 2 * kOcBlock; ++i) {
          const int64_t oc = oc0 + i / 2;
          const int64_t ic = ic0 + i % 2;
          *packed++ = oc < s.out_c && ic < s.in_c ? weights[(tap * s.in_c + ic) * s.out_c + oc] : int8_t{0};
        }
      }
    }
  }
}

size_t workspace_bytes(const ConvShape& s, int threads) {
  return WinogradScratch(s, WinogradPlan(s, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, Elem src_elem, const void* src, const int8_t* packed, const Epilogue& epilogue, void* dst,
         std::byte* workspace, int threads) {
  const WinogradPlan p(s, threads);
  const WinogradScratch layout(s, p);
  parallel_ranges(p.threads_m * p.threads_n, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t m = cell / p.threads_n;
      const int64_t n = cell % p.threads_n;
      const WinogradArgs args{&s,
                              &p,
                              src_elem == Elem::S8,
                              static_cast<const uint8_t*>(src),
                              packed,
                              &epilogue,
                              dst,
                              p.chunks * m / p.threads_m,
                              p.chunks * (m + 1) / p.threads_m,
                              p.oc_blocks * n / p.threads_n,
                              p.oc_blocks * (n + 1) / p.threads_n,
                              workspace + static_cast<size_t>(cell) * layout.bytes};
      HWY_DYNAMIC_DISPATCH(conv_winograd)(args);
    }
  });
}

}  // namespace conv_winograd_int8
}  // namespace tfengine::kernels
#endif
