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
#include "kernels/ahead.h"
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
  Ahead ahead;  // for when the last weights are being multiplied
};

// Tiles [row, row + rows) x [col, col + cols) of all images' tiles. Those at the edge of an image whose size leaves at most
// kEdgeOut results to them have no values at far positions.
struct TileRange {
  int64_t row, rows, col, cols;
  int64_t far_rows = 0, far_cols = 0;  // that have them

  int64_t tiles(bool far_y, bool far_x) const { return (far_y ? far_rows : rows) * (far_x ? far_cols : cols); }
  // The index of a tile among those, `far_row` being the row's among the rows that have them.
  int64_t index(bool far_y, bool far_x, int64_t row_in, int64_t far_row, int64_t tile) const {
    return (far_y ? far_row : row_in) * (far_x ? far_cols : cols) + tile;
  }
};

template <class Traits>
bool is_edge(int64_t tile, int64_t tiles, int64_t out_size) {
  return Traits::Transforms::kHasEdges && tile == tiles - 1 && out_size - tile * kTileOut <= kEdgeOut;
}

template <class Traits>
bool is_edge_row(const WinogradPlan& p, int64_t tile_row) {
  return is_edge<Traits>(tile_row % p.tiles_h, p.tiles_h, p.shape.out_h);
}

// Calls f(edge_y, edge_x) with both as types.
template <class Traits, class F>
HWY_INLINE void for_edges(bool edge_y, bool edge_x, F&& f) {
  if constexpr (Traits::Transforms::kHasEdges) {
    if (edge_y) return edge_x ? f(std::true_type(), std::true_type()) : f(std::true_type(), std::false_type());
    if (edge_x) return f(std::false_type(), std::true_type());
  }
  f(std::false_type(), std::false_type());
}

template <class Traits>
TileRange winograd_chunk(const WinogradPlan& p, int64_t index) {
  const int64_t chunks_h = p.chunks / p.chunks_w;
  const int64_t row = p.tile_rows * (index / p.chunks_w) / chunks_h;
  const int64_t row_end = p.tile_rows * (index / p.chunks_w + 1) / chunks_h;
  const int64_t col = index % p.chunks_w * p.chunk_cols;
  TileRange c{row, row_end - row, col, std::min(p.chunk_cols, p.tiles_w - col)};
  for (int64_t r = row; r < row_end; ++r) c.far_rows += is_edge_row<Traits>(p, r) ? 0 : 1;
  c.far_cols = c.cols - (is_edge<Traits>(col + c.cols - 1, p.tiles_w, p.shape.out_w) ? 1 : 0);
  return c;
}

// Where a tile's values lie among those of a chunk: `tile_elems` apart.
template <class T>
TilePlaces<T> tile_places(const TileRange& c, int64_t row, int64_t far_row, int64_t tile, T* values, int64_t tile_elems,
                          int64_t stride) {
  TilePlaces<T> places{{}, stride};
  for (const bool far_y : {false, true}) {
    for (const bool far_x : {false, true}) {
      places.base[far_y][far_x] = values + c.index(far_y, far_x, row, far_row, tile) * tile_elems;
    }
  }
  return places;
}

// The sources of one row of a chunk's tiles. in_c is at least the number of lanes, so the last vector may overlap its
// neighbour.
template <class Traits, class D, class Src, class Weight>
void transform_tile_row(D d, const WinogradArgs<Src, Weight>& a, int64_t row, int64_t far_row, const TileRange& c,
                        const Src* zeros, typename Traits::Mid* out, int64_t out_stride) {
  const int64_t tile_row = c.row + row;
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
    const auto places = tile_places(c, row, far_row, tile, out, p.mid_c(), out_stride);
    const bool edge_y = is_edge_row<Traits>(p, tile_row), edge_x = tile >= c.far_cols;
    for_edges<Traits>(edge_y, edge_x, [&](auto y, auto x) {
      for (int64_t channel = 0; channel < s.in_c; channel += lanes) {
        const int64_t from = std::min(channel, s.in_c - lanes);
        transform_source<typename Traits::Transforms, y.value, x.value>(d, pixels, from, places);
      }
    });
    if (p.mid_c() == s.in_c) continue;
    for (int y = 0; y < kTileIn; ++y) {
      for (int x = 0; x < kTileIn; ++x) {
        if (!(edge_y && is_far(y)) && !(edge_x && is_far(x))) places.at(y, x)[s.in_c] = 0;
      }
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
void finish_tile_row(const Args& a, int64_t row, int64_t far_row, const TileRange& c, int64_t block,
                     const typename Traits::Sum* sums, typename Traits::Sum* results) {
  const WinogradPlan& p = *a.plan;
  const int64_t tile_row = c.row + row;
  const ConvShape& s = p.shape;
  const hn::CappedTag<typename Traits::Sum, kOcBlock> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t row_elems = c.cols * kTileOut * kOcBlock;
  for (int64_t tile = 0; tile < c.cols; ++tile) {
    const auto places = tile_places(c, row, far_row, tile, sums, kTilePositions * kOcBlock, kOcBlock);
    for_edges<Traits>(is_edge_row<Traits>(p, tile_row), tile >= c.far_cols, [&](auto y, auto x) {
      for (int64_t v = 0; v < kOcBlock; v += lanes) {
        transform_results<typename Traits::Transforms, y.value, x.value>(
            d, places, v, results + tile * kTileOut * kOcBlock + v, row_elems, kOcBlock);
      }
    });
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

// One of `pieces` pieces. Inlined, or gcc drops calls of what has no effect that it knows of.
HWY_INLINE void fetch_ahead(const Ahead& ahead, int64_t piece, int64_t pieces) {
  constexpr int64_t kLine = 64;
  const int64_t lines = (ahead.bytes + kLine - 1) / kLine;
  for (int64_t line = lines * piece / pieces; line < lines * (piece + 1) / pieces; ++line) {
    hwy::Prefetch(ahead.begin + line * kLine);
  }
}

// Traits: Mid, Sum, Transforms, kDepth, kBlocks (blocks of output channels that are multiplied together: two vectors of
// columns halve the loads per product), multiply<blocks>(product).
template <class Traits, int kBlocks>
void multiply_positions(const WinogradScratch& layout, const TileRange& c,
                        WinogradProduct<typename Traits::Mid, typename Traits::Sum> m, const Ahead (&ahead)[kBlocks]) {
  for (int64_t position = 0; position < kTilePositions; ++position) {
    for (const Ahead& block : ahead) fetch_ahead(block, position, kTilePositions);
    m.tiles = c.tiles(is_far(position / kTileIn), is_far(position % kTileIn));
    if (m.tiles > 0) Traits::template multiply<kBlocks>(m);
    m.source += layout.source_stride;
    m.weights += layout.weights_stride;
    m.sums += kOcBlock;
  }
}

// The sums of all positions over one run of channels.
template <class Traits, int kBlocks, class Src, class Weight>
void winograd_channels(const WinogradArgs<Src, Weight>& a, const WinogradScratch& layout, const TileRange& c,
                       int64_t block, int64_t step) {
  using Mid = typename Traits::Mid;
  const WinogradPlan& p = *a.plan;
  const int64_t steps = std::min(p.run_steps, p.steps - step);
  const int64_t step_weights = p.block_weights() / p.steps;
  auto* weights = reinterpret_cast<Mid*>(a.scratch + layout.weights_at);
  Ahead ahead[kBlocks];
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
  if (step + steps == p.steps && block + kBlocks >= a.block_end) ahead[0] = a.ahead;
  multiply_positions<Traits, kBlocks>(
      layout, c,
      {0, steps, reinterpret_cast<const Mid*>(a.scratch + layout.source_at) + step * Traits::kDepth, p.mid_c(), weights,
       reinterpret_cast<typename Traits::Sum*>(a.scratch + layout.sums_at), kTilePositions * kOcBlock,
       layout.block_sums, step > 0},
      ahead);
}

template <class Traits, int kBlocks, class Args>
void winograd_blocks(const Args& a, const WinogradScratch& layout, const TileRange& c, int64_t block) {
  using Sum = typename Traits::Sum;
  const WinogradPlan& p = *a.plan;
  for (int64_t step = 0; step < p.steps; step += p.run_steps) {
    winograd_channels<Traits, kBlocks>(a, layout, c, block, step);
  }
  const auto* sums = reinterpret_cast<const Sum*>(a.scratch + layout.sums_at);
  auto* results = reinterpret_cast<Sum*>(a.scratch + layout.results_at);
  for (int64_t b = 0; b < kBlocks; ++b) {
    int64_t far_row = 0;
    for (int64_t row = 0; row < c.rows; ++row) {
      finish_tile_row<Traits>(a, row, far_row, c, block + b, sums + b * layout.block_sums, results);
      far_row += is_edge_row<Traits>(p, c.row + row) ? 0 : 1;
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
    const TileRange c = winograd_chunk<Traits>(p, index);
    int64_t far_row = 0;
    for (int64_t row = 0; row < c.rows; ++row) {
      if (p.shape.in_c >= static_cast<int64_t>(hn::Lanes(full))) {
        transform_tile_row<Traits>(full, a, row, far_row, c, zeros, source, layout.source_stride);
      } else {
        transform_tile_row<Traits>(capped, a, row, far_row, c, zeros, source, layout.source_stride);
      }
      far_row += is_edge_row<Traits>(p, c.row + row) ? 0 : 1;
    }
    WinogradArgs<Src, Weight> chunk = a;
    if (index + 1 < a.chunk_end) chunk.ahead = {};
    int64_t block = a.block_begin;
    for (; block + Traits::kBlocks <= a.block_end; block += Traits::kBlocks) {
      winograd_blocks<Traits, Traits::kBlocks>(chunk, layout, c, block);
    }
    for (; block < a.block_end; ++block) winograd_blocks<Traits, 1>(chunk, layout, c, block);
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
