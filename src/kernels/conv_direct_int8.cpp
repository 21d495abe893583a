// SPDX-License-Identifier: Apache-2.0
// Convolution as a matrix product that is never laid out: the source is widened chunk by chunk into a zero-padded copy
// (conv_plan.h), and the rows of a tile are pointers into it.
#include "kernels/conv_int8_kernel.h"

#include "kernels/conv_plan.h"
#include "kernels/epilogue_tile.h"
#include "kernels/pack.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_direct_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm_pairs-inl.h"

#ifndef TFENGINE_KERNELS_CONV_DIRECT_INT8_ONCE
#define TFENGINE_KERNELS_CONV_DIRECT_INT8_ONCE
namespace tfengine::kernels {

using ConvDirectArgs = ConvInt8Part<ConvPlan>;

// Where the parts of a thread's scratch lie. The tail of the copy is read, times a weight of 0, by odd runs.
struct ConvDirectScratch {
  static constexpr int64_t kSlackElems = 32;
  size_t run_offsets_at = 0, pair_offsets_at, pixel_offsets_at, weights_at, copy_at, bytes;

  explicit ConvDirectScratch(const ConvPlan& p) {
    const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
    pair_offsets_at = align(p.runs * 8);
    pixel_offsets_at = pair_offsets_at + align(p.lists_pairs() ? p.runs * ceil_div(p.run_len, 2) * 4 : 0);
    weights_at = pixel_offsets_at + align(p.chunk_pixels() * 8);
    copy_at = weights_at + align(p.runs * ceil_div(p.run_len, 2) * 2 * kOcBlock * 2);
    bytes = copy_at + align((p.chunk_images * p.image_elems(p.chunk_rows) + kSlackElems) * 2);
  }
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// Output rows of one chunk: `rows` of each of `images`.
struct Chunk {
  int64_t image, images, row, rows;
  int64_t pixels(const ConvPlan& p) const { return images * rows * p.shape.out_w; }
};

inline Chunk chunk_at(const ConvPlan& p, int64_t index) {
  Chunk c;
  c.image = index / p.chunks_per_image * p.chunk_images;
  c.images = std::min(p.chunk_images, p.shape.batch - c.image);
  c.row = index % p.chunks_per_image * p.chunk_rows;
  c.rows = std::min(p.chunk_rows, p.shape.out_h - c.row);
  return c;
}

// Copies one source row from column `first_col` (may lie outside) on, widened, `step` pixels apart.
template <class T>
void copy_row(const ConvPlan& p, const T* src_row, int64_t channel, int16_t* dst) {
  const ConvShape& s = p.shape;
  const int64_t first_col = -s.pad_left;
  const int64_t left = std::clamp<int64_t>(ceil_div(std::max<int64_t>(s.pad_left, 0), p.step_w), 0, p.copy_cols);
  const int64_t inside_end = std::clamp<int64_t>(ceil_div(s.in_w - first_col, p.step_w), left, p.copy_cols);
  std::memset(dst, 0, static_cast<size_t>(left * p.in_c) * sizeof(int16_t));
  const T* src = src_row + (first_col + left * p.step_w) * s.src_pixel_stride + channel;
  int16_t* to = dst + left * p.in_c;
  if (p.step_w == 1 && s.src_pixel_stride == p.in_c) {
    widen(src, (inside_end - left) * p.in_c, to);
  } else {
    for (int64_t col = left; col < inside_end; ++col) {
      widen(src, p.in_c, to);
      src += p.step_w * s.src_pixel_stride;
      to += p.in_c;
    }
  }
  std::memset(dst + inside_end * p.in_c, 0, static_cast<size_t>((p.copy_cols - inside_end) * p.in_c) * sizeof(int16_t));
}

template <class T>
void copy_chunk(const ConvPlan& p, const T* src, const Chunk& c, int64_t channel, int16_t* copy) {
  const ConvShape& s = p.shape;
  const int64_t rows = p.copied_rows(c.rows);
  if (p.pointwise && p.copy_cols == s.in_w && p.step_h == 1 && s.src_pixel_stride == p.in_c && c.images == 1) {
    widen(src + (c.image * s.in_h + c.row) * s.in_w * p.in_c, rows * p.row_elems, copy);
    std::memset(copy + rows * p.row_elems, 0, ConvDirectScratch::kSlackElems * sizeof(int16_t));
    return;
  }
  for (int64_t image = 0; image < c.images; ++image) {
    const T* src_image = src + (c.image + image) * s.in_h * s.in_w * s.src_pixel_stride;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t y = (c.row * p.stride_h + row) * p.step_h - s.pad_top;
      if (y < 0 || y >= s.in_h) {
        std::memset(copy, 0, static_cast<size_t>(p.row_elems) * sizeof(int16_t));
      } else {
        copy_row(p, src_image + y * s.in_w * s.src_pixel_stride, channel, copy);
      }
      copy += p.row_elems;
    }
  }
  std::memset(copy, 0, ConvDirectScratch::kSlackElems * sizeof(int16_t));
}

inline void fill_pixel_offsets(const ConvPlan& p, const Chunk& c, int64_t* offsets) {
  const int64_t image_elems = p.image_elems(c.rows);
  for (int64_t image = 0; image < c.images; ++image) {
    for (int64_t row = 0; row < c.rows; ++row) {
      const int64_t base = image * image_elems + row * p.stride_h * p.row_elems;
      for (int64_t col = 0; col < p.shape.out_w; ++col) *offsets++ = base + col * p.stride_w * p.in_c;
    }
  }
}

// All pixels of the chunk for one block of output channels. Tiles get equal heights: 49 pixels are 4 x 6 + 5 x 5, not
// 8 x 6 + 1.
void block_of_chunk(const ConvDirectArgs& a, const Chunk& c, const PairRuns& runs, const int32_t* pair_offsets,
                    const int64_t* offsets, const int16_t* copy, const int16_t* weights, int64_t channel,
                    int64_t channels) {
  const ConvShape& s = a.plan->shape;
  const int64_t pixels = c.pixels(*a.plan);
  const int64_t first_pixel = (c.image * s.out_h + c.row) * s.out_w;
  const int64_t tiles = ceil_div(pixels, kTileRows);
  // Sums of this many pixels wait in the first-level cache for one call of the epilogue.
  constexpr int64_t kGroup = 48;
  HWY_ALIGN int32_t acc[kGroup * kOcBlock];
  int64_t done = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = pixels * tile / tiles;
    const int64_t end = pixels * (tile + 1) / tiles;
    const int16_t* rows[kTileRows];
    for (int64_t r = begin; r < end; ++r) rows[r - begin] = copy + offsets[r];
    int32_t* sums = acc + (begin - done) * kOcBlock;
    if (pair_offsets) {
      tile_of_listed_pairs_rows(end - begin, rows, pair_offsets, runs.runs * runs.pairs, weights, sums);
    } else {
      tile_of_pairs_rows(static_cast<int>(end - begin), rows, runs, weights, sums, kOcBlock);
    }
    if (end + kTileRows > done + kGroup || end == pixels) {
      finish_tile(*a.epilogue, EpilogueTile<int32_t>{acc, kOcBlock, end - done, channels, first_pixel + done, channel,
                                                     a.dst, s.dst_pixel_stride});
      done = end;
    }
  }
}

// The same when pixels are a constant distance apart.
void block_of_pointwise_chunk(const ConvDirectArgs& a, const Chunk& c, const int16_t* copy, const int16_t* weights,
                              int64_t channel, int64_t channels) {
  const ConvPlan& p = *a.plan;
  const int64_t pixels = c.pixels(p);
  constexpr int64_t kGroup = 48;
  // A last block of at most 8 channels takes half the time where vectors are shorter than a block.
  constexpr int kHalfVecs = (kColumnVecs + 1) / 2;
  HWY_ALIGN int32_t acc[kGroup * kOcBlock];
  EpilogueTile<int32_t> t{acc,
                          kOcBlock,
                          0,
                          channels,
                          (c.image * p.shape.out_h + c.row) * p.shape.out_w,
                          channel,
                          a.dst,
                          p.shape.dst_pixel_stride};
  const int64_t groups = ceil_div(pixels, kGroup);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t begin = pixels * group / groups;
    t.rows = pixels * (group + 1) / groups - begin;
    const StridedPairs pairs{
        copy + begin * p.in_c, p.in_c, ceil_div(p.in_c, 2), weights, 2 * kOcBlock, acc, kOcBlock, kAccLanes};
    if (channels <= kHalfVecs * kAccLanes) {
      strided_rows_of_pairs<kHalfVecs>(t.rows, pairs);
    } else {
      strided_rows_of_pairs<kColumnVecs>(t.rows, pairs);
    }
    finish_tile(*a.epilogue, t);
    t.first_pixel += t.rows;
  }
}

void conv_direct(const ConvDirectArgs& a) {
  const ConvPlan& p = *a.plan;
  const ConvDirectScratch layout(p);
  auto* run_offsets = reinterpret_cast<int64_t*>(a.scratch + layout.run_offsets_at);
  auto* pixel_offsets = reinterpret_cast<int64_t*>(a.scratch + layout.pixel_offsets_at);
  auto* weights = reinterpret_cast<int16_t*>(a.scratch + layout.weights_at);
  auto* copy = reinterpret_cast<int16_t*>(a.scratch + layout.copy_at);
  const PairRuns runs{run_offsets, p.runs, ceil_div(p.run_len, 2)};
  const int64_t block_weights = runs.runs * runs.pairs * 2 * kOcBlock;
  for (int64_t run = 0; run < p.runs; ++run) run_offsets[run] = p.run_offset(run);
  int32_t* pair_offsets = nullptr;
  if (p.lists_pairs()) {
    pair_offsets = reinterpret_cast<int32_t*>(a.scratch + layout.pair_offsets_at);
    for (int64_t i = 0; i < runs.runs * runs.pairs; ++i) {
      pair_offsets[i] = static_cast<int32_t>(run_offsets[i / runs.pairs] + i % runs.pairs * 2);
    }
  }

  for (int64_t index = a.chunk_begin; index < a.chunk_end; ++index) {
    const Chunk c = chunk_at(p, index);
    if (!p.pointwise) fill_pixel_offsets(p, c, pixel_offsets);
    int64_t copied_group = -1;
    for (int64_t block = a.block_begin; block < a.block_end; ++block) {
      const int64_t group = block / p.oc_blocks;
      const int64_t channel = block % p.oc_blocks * kOcBlock;
      if (group != copied_group) {
        if (a.src_signed) {
          copy_chunk(p, reinterpret_cast<const int8_t*>(a.src), c, group * p.in_c, copy);
        } else {
          copy_chunk(p, a.src, c, group * p.in_c, copy);
        }
        copied_group = group;
      }
      widen(a.packed + block * block_weights, block_weights, weights);
      const int64_t channels = std::min(kOcBlock, p.out_c - channel);
      if (p.pointwise) {
        block_of_pointwise_chunk(a, c, copy, weights, group * p.out_c + channel, channels);
      } else {
        block_of_chunk(a, c, runs, pair_offsets, pixel_offsets, copy, weights, group * p.out_c + channel, channels);
      }
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_direct);

namespace {

bool supports(const ConvShape&, Elem, const int8_t*) { return true; }

size_t packed_bytes(const ConvShape& shape) {
  const ConvPlan p(shape, 1);
  return static_cast<size_t>(shape.groups * p.oc_blocks * p.runs * round_up(p.run_len, 2) * kOcBlock);
}

void pack(const ConvShape& shape, const int8_t* weights, int8_t* packed) {
  const ConvPlan p(shape, 1);
  for (int64_t group = 0; group < shape.groups; ++group) {
    for (int64_t block = 0; block < p.oc_blocks; ++block) {
      const int64_t channel = group * p.out_c + block * kOcBlock;
      const int64_t channels = std::min(kOcBlock, p.out_c - block * kOcBlock);
      for (int64_t run = 0; run < p.runs; ++run) {
        // TensorFlow's order has the elements of a run as neighbouring rows of out_c values.
        const int8_t* rows = weights + run * p.run_len * shape.out_c + channel;
        packed = interleave_rows(rows, shape.out_c, p.run_len, channels, 2, packed);
      }
    }
  }
}

size_t workspace_bytes(const ConvShape& shape, Elem, int threads) {
  return ConvDirectScratch(ConvPlan(shape, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& shape, const ConvInt8Call& call) {
  const ConvPlan p(shape, call.threads);
  for_each_conv_part(p, call, p.chunks, shape.groups * p.oc_blocks, ConvDirectScratch(p).bytes,
                     [](const ConvDirectArgs& args) {
                       HWY_DYNAMIC_DISPATCH(conv_direct)
                       (args);
                     });
}

}  // namespace

const ConvInt8Kernel kConvDirectInt8 = {"direct", supports, packed_bytes, pack, workspace_bytes, run};

}  // namespace tfengine::kernels
#endif
