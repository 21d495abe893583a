// SPDX-License-Identifier: Apache-2.0
// The steps of a Winograd convolution, common to INT8 and float: transform a chunk of the source, and for each block of
// output channels transform its weights, multiply position by position, transform the results back, apply the epilogue.
// Weights are transformed here and not beforehand: transformed ones would take 4 times the memory (8 times, for INT8),
// and transforming a block of them costs as much as multiplying it with one or two tiles. Included inside foreach_target.h.
#if defined(TFENGINE_KERNELS_CONV_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_CONV_WINOGRAD_INL_H_
#undef TFENGINE_KERNELS_CONV_WINOGRAD_INL_H_
#else
#define TFENGINE_KERNELS_CONV_WINOGRAD_INL_H_
#endif

#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/conv_winograd_math-inl.h"
#include "kernels/conv_winograd_plan.h"
#include "kernels/epilogue_tile.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// This thread's part.
template <class Src, class Weight>
struct WinogradArgs {
  const WinogradPlan* plan;
  const Src* src;
  const Weight* packed;
  const Epilogue* epilogue;
  void* dst;
  int64_t chunk_begin, chunk_end;
  int64_t block_begin, block_end;
  std::byte* scratch;
};

// Tiles [row, row + rows) x [col, col + cols) of all images' tiles.
struct TileRange {
  int64_t row, rows, col, cols;
  int64_t tiles() const { return rows * cols; }
};

inline TileRange winograd_chunk(const WinogradPlan& p, int64_t index) {
  const int64_t chunks_h = p.chunks / p.chunks_w;
  const int64_t row = p.tile_rows * (index / p.chunks_w) / chunks_h;
  const int64_t row_end = p.tile_rows * (index / p.chunks_w + 1) / chunks_h;
  const int64_t col = index % p.chunks_w * p.chunk_cols;
  return {row, row_end - row, col, std::min(p.chunk_cols, p.tiles_w - col)};
}

// The sources of one row of a chunk's tiles. in_c is at least the number of lanes, so the last vector may overlap its
// neighbour.
template <class Traits, class D, class Src, class Weight>
void transform_tile_row(D d, const WinogradArgs<Src, Weight>& a, int64_t tile_row, const TileRange& c, const Src* zeros,
                        typename Traits::Mid* out, int64_t out_stride) {
  const WinogradPlan& p = *a.plan;
  const ConvShape& s = p.shape;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const Src* image = a.src + tile_row / p.tiles_h * s.in_h * s.in_w * s.src_pixel_stride;
  const int64_t y0 = tile_row % p.tiles_h * kTileOut - s.pad_top;
  for (int64_t tile = 0; tile < c.cols; ++tile) {
    const int64_t x0 = (c.col + tile) * kTileOut - s.pad_left;
    const Src* pixels[kTilePositions];
    for (int64_t i = 0; i < kTilePositions; ++i) {
      const int64_t y = y0 + i / kTileIn;
      const int64_t x = x0 + i % kTileIn;
      const bool inside = y >= 0 && y < s.in_h && x >= 0 && x < s.in_w;
      pixels[i] = inside ? image + (y * s.in_w + x) * s.src_pixel_stride : zeros;
    }
    auto* tile_out = out + tile * p.mid_c();
    for (int64_t channel = 0; channel < s.in_c; channel += lanes) {
      const int64_t from = std::min(channel, s.in_c - lanes);
      transform_source<typename Traits::Transforms>(d, pixels, from, tile_out + from, out_stride);
    }
    if (p.mid_c() != s.in_c) {
      for (int64_t i = 0; i < kTilePositions; ++i) tile_out[i * out_stride + s.in_c] = 0;
    }
  }
}

// `steps` steps of one block, to every kBlocks-th step's place of `out`.
template <class Traits, int kBlocks, class Weight>
void transform_block_weights(int64_t steps, const Weight* packed, typename Traits::Mid* out, int64_t out_stride) {
  constexpr int64_t kStep = Traits::kDepth * kOcBlock;
  const hn::CappedTag<typename Traits::Mid, kStep> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t v = 0; v < kStep; v += lanes) {
      transform_weights<typename Traits::Transforms>(d, packed + v, kStep, out + v, out_stride);
    }
    packed += 9 * kStep;
    out += kBlocks * kStep;
  }
}

template <class Traits, class Args>
void finish_tile_row(const Args& a, int64_t tile_row, const TileRange& c, int64_t block,
                     const typename Traits::Sum* sums, typename Traits::Sum* results) {
  const WinogradPlan& p = *a.plan;
  const ConvShape& s = p.shape;
  const hn::CappedTag<typename Traits::Sum, kOcBlock> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t row_elems = c.cols * kTileOut * kOcBlock;
  for (int64_t tile = 0; tile < c.cols; ++tile) {
    for (int64_t v = 0; v < kOcBlock; v += lanes) {
      transform_results<typename Traits::Transforms>(d, sums + tile * kTilePositions * kOcBlock + v, kOcBlock,
                                                     results + tile * kTileOut * kOcBlock + v, row_elems, kOcBlock);
    }
  }
  const int64_t x0 = c.col * kTileOut;
  const int64_t y0 = tile_row % p.tiles_h * kTileOut;
  const int64_t channel = block * kOcBlock;
  EpilogueTile<typename Traits::Sum> t{results,
                                       kOcBlock,
                                       std::min(c.cols * kTileOut, s.out_w - x0),
                                       std::min(kOcBlock, s.out_c - channel),
                                       0,
                                       channel,
                                       a.dst,
                                       s.dst_pixel_stride};
  for (int64_t y = y0; y < std::min(y0 + kTileOut, s.out_h); ++y) {
    t.first_pixel = (tile_row / p.tiles_h * s.out_h + y) * s.out_w + x0;
    finish_tile(*a.epilogue, t);
    t.acc += row_elems;
  }
}

// The product at one position: of some of each tile's transformed channels with the transformed weights of one or more
// blocks.
template <class Mid, class Sum>
struct WinogradProduct {
  int64_t tiles;
  int64_t steps;
  const Mid* source;  // [tile][channel]
  int64_t source_tile_stride;
  const Mid* weights;  // [step][block][output][kDepth channels]
  Sum* sums;           // of tile t and block b: 16 outputs at sums + t * tile_stride + b * block_stride
  int64_t tile_stride, block_stride;
  bool add;  // to the sums of earlier channels
};

// Weights that will be wanted soon, fetched piece by piece while the arithmetic units are busy: they come from memory, since
// a network's weights fill the caches many times over.
struct WinogradAhead {
  const std::byte* begin = nullptr;
  int64_t bytes = 0;

  // Inlined, or gcc drops calls of what has no effect that it knows of.
  HWY_INLINE void fetch(int64_t piece, int64_t pieces) const {
    constexpr int64_t kLine = 64;
    const int64_t lines = (bytes + kLine - 1) / kLine;
    for (int64_t line = lines * piece / pieces; line < lines * (piece + 1) / pieces; ++line) {
      hwy::Prefetch(begin + line * kLine);
    }
  }
};

// Traits: Mid, Sum, Transforms, kDepth, kBlocks (blocks of output channels that are multiplied together: two vectors of
// columns halve the loads per product), multiply<blocks>(product).
template <class Traits, int kBlocks>
void multiply_positions(const WinogradScratch& layout, WinogradProduct<typename Traits::Mid, typename Traits::Sum> m,
                        const WinogradAhead (&ahead)[kBlocks]) {
  for (int64_t position = 0; position < kTilePositions; ++position) {
    for (const WinogradAhead& block : ahead) block.fetch(position, kTilePositions);
    Traits::template multiply<kBlocks>(m);
    m.source += layout.source_stride;
    m.weights += layout.weights_stride;
    m.sums += kOcBlock;
  }
}

// The sums of all positions over one run of channels.
template <class Traits, int kBlocks, class Src, class Weight>
void winograd_channels(const WinogradArgs<Src, Weight>& a, const WinogradScratch& layout, int64_t tiles, int64_t block,
                       int64_t step) {
  using Mid = typename Traits::Mid;
  const WinogradPlan& p = *a.plan;
  const int64_t steps = std::min(p.run_steps, p.steps - step);
  const int64_t step_weights = p.block_weights() / p.steps;
  auto* weights = reinterpret_cast<Mid*>(a.scratch + layout.weights_at);
  WinogradAhead ahead[kBlocks];
  for (int64_t b = 0; b < kBlocks; ++b) {
    const Weight* packed = a.packed + (block + b) * p.block_weights() + step * step_weights;
    transform_block_weights<Traits, kBlocks>(steps, packed, weights + b * Traits::kDepth * kOcBlock,
                                             layout.weights_stride);
    const Weight* next = packed + steps * step_weights;
    if (step + steps == p.steps) next += (kBlocks - 1) * p.block_weights();
    const Weight* end = a.packed + a.block_end * p.block_weights();
    const int64_t count = std::clamp<int64_t>(end - next, 0, p.run_steps * step_weights);
    ahead[b] = {reinterpret_cast<const std::byte*>(next), count * static_cast<int64_t>(sizeof(Weight))};
  }
  multiply_positions<Traits, kBlocks>(
      layout,
      {tiles, steps, reinterpret_cast<const Mid*>(a.scratch + layout.source_at) + step * Traits::kDepth, p.mid_c(),
       weights, reinterpret_cast<typename Traits::Sum*>(a.scratch + layout.sums_at), kTilePositions * kOcBlock,
       layout.block_sums, step > 0},
      ahead);
}

template <class Traits, int kBlocks, class Args>
void winograd_blocks(const Args& a, const WinogradScratch& layout, const TileRange& c, int64_t block) {
  using Sum = typename Traits::Sum;
  const WinogradPlan& p = *a.plan;
  for (int64_t step = 0; step < p.steps; step += p.run_steps) {
    winograd_channels<Traits, kBlocks>(a, layout, c.tiles(), block, step);
  }
  const auto* sums = reinterpret_cast<const Sum*>(a.scratch + layout.sums_at);
  auto* results = reinterpret_cast<Sum*>(a.scratch + layout.results_at);
  for (int64_t b = 0; b < kBlocks; ++b) {
    for (int64_t row = 0; row < c.rows; ++row) {
      finish_tile_row<Traits>(a, c.row + row, c, block + b,
                              sums + b * layout.block_sums + row * c.cols * kTilePositions * kOcBlock, results);
    }
  }
}

template <class Traits, class Src, class Weight>
void conv_winograd_part(const WinogradArgs<Src, Weight>& a) {
  using Mid = typename Traits::Mid;
  const WinogradPlan& p = *a.plan;
  const WinogradScratch layout(p);
  auto* zeros = reinterpret_cast<Src*>(a.scratch + layout.zeros_at);
  auto* source = reinterpret_cast<Mid*>(a.scratch + layout.source_at);
  std::memset(zeros, 0, static_cast<size_t>(p.shape.in_c) * sizeof(Src));
  const hn::ScalableTag<Mid> full;
  const hn::CappedTag<Mid, kOcBlock> capped;

  for (int64_t index = a.chunk_begin; index < a.chunk_end; ++index) {
    const TileRange c = winograd_chunk(p, index);
    for (int64_t row = 0; row < c.rows; ++row) {
      Mid* to = source + row * c.cols * p.mid_c();
      if (p.shape.in_c >= static_cast<int64_t>(hn::Lanes(full))) {
        transform_tile_row<Traits>(full, a, c.row + row, c, zeros, to, layout.source_stride);
      } else {
        transform_tile_row<Traits>(capped, a, c.row + row, c, zeros, to, layout.source_stride);
      }
    }
    int64_t block = a.block_begin;
    for (; block + Traits::kBlocks <= a.block_end; block += Traits::kBlocks) {
      winograd_blocks<Traits, Traits::kBlocks>(a, layout, c, block);
    }
    for (; block < a.block_end; ++block) winograd_blocks<Traits, 1>(a, layout, c, block);
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
