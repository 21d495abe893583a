// SPDX-License-Identifier: Apache-2.0
// Convolution as a product of a matrix of pixels with the weights. A 1x1 convolution reads its source in place; others
// gather the bytes under each output pixel first, which costs little beside as many products as such layers have. What
// makes it faster than oneDNN's kernels inside a network is that it fetches weights ahead (ahead.h).
#include "kernels/conv_dot_int8.h"

#include <cstring>

#include "kernels/conv_plan.h"
#include "kernels/cpu.h"
#include "kernels/epilogue_tile.h"
#include "kernels/pack.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_dot_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm_dot-inl.h"

#ifndef TFENGINE_KERNELS_CONV_DOT_INT8_ONCE
#define TFENGINE_KERNELS_CONV_DOT_INT8_ONCE
namespace tfengine::kernels {

// Rows are output pixels of all images, inputs are the bytes under one. Columns are finished kPanel at a time, a cache line
// of bytes.
struct DotPlan {
  static constexpr int64_t kPanel = 64;

  ConvShape shape;
  bool in_place;  // rows are the source's pixels
  int64_t rows, quads;
  int64_t oc_blocks, panels;
  int64_t chunk_rows, chunks;
  int threads_m = 1, threads_n = 1;

  DotPlan(const ConvShape& s, int threads)
      : shape(s),
        in_place(s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 &&
                 s.pad_left == 0 && s.in_h == s.out_h && s.in_w == s.out_w && s.in_c % 4 == 0),
        rows(s.batch * s.out_h * s.out_w),
        quads(ceil_div(s.kernel_h * s.kernel_w * s.in_c, 4)),
        oc_blocks(ceil_div(s.out_c, kOcBlock)),
        panels(ceil_div(s.out_c, kPanel)) {
    threads = std::max(threads, 1);
    // Weights come from memory, sources from a cache: a byte of the former counts as three.
    double least = 0.0;
    for (int n = 1; n <= threads; ++n) {
      if (threads % n != 0) continue;
      const int m = threads / n;
      const double cost = static_cast<double>(3 * ceil_div(panels, n) * kPanel + ceil_div(rows, m)) +
                          static_cast<double>(ceil_div(panels, n) * ceil_div(rows, m)) / 4.0;
      if (least != 0.0 && cost >= least) continue;
      least = cost;
      threads_m = m;
      threads_n = n;
    }
    // Every chunk reads all weights again, so that it should have many rows; its sources stay in the second-level cache.
    constexpr int64_t kChunkBytes = 256 * 1024, kFewRows = 112;
    const int64_t most = std::max(kChunkBytes / (4 * quads), kFewRows);
    const int64_t share = ceil_div(rows, threads_m);
    chunk_rows = ceil_div(share, ceil_div(share, most));
    chunks = ceil_div(rows, chunk_rows);
  }

  int64_t pitch() const { return 4 * quads; }
  int64_t block_bytes() const { return 4 * quads * kOcBlock; }
  size_t scratch_bytes() const { return in_place ? 0 : static_cast<size_t>(round_up(chunk_rows * pitch(), 64)); }
};

struct DotArgs {
  const DotPlan* plan;
  const uint8_t* src;
  const int8_t* packed;
  const Epilogue* epilogue;
  void* dst;
  int64_t chunk_begin, chunk_end;
  int64_t panel_begin, panel_end;
  uint8_t* scratch;
  Ahead ahead;  // for when the last weights are being multiplied
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// The bytes under output pixel `row`, [kernel row][kernel column][input]: zeros where the kernel leaves the image.
inline void gather_row(const DotPlan& p, const uint8_t* src, int64_t row, uint8_t* to) {
  const ConvShape& s = p.shape;
  const int64_t y0 = row / s.out_w % s.out_h * s.stride_h - s.pad_top;
  const int64_t x0 = row % s.out_w * s.stride_w - s.pad_left;
  const uint8_t* image = src + row / (s.out_w * s.out_h) * s.in_h * s.in_w * s.src_pixel_stride;
  const auto n = static_cast<size_t>(s.in_c);
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    const int64_t y = y0 + ky * s.dilation_h;
    for (int64_t kx = 0; kx < s.kernel_w; ++kx, to += n) {
      const int64_t x = x0 + kx * s.dilation_w;
      if (y < 0 || y >= s.in_h || x < 0 || x >= s.in_w) {
        std::memset(to, 0, n);
      } else {
        std::memcpy(to, image + (y * s.in_w + x) * s.src_pixel_stride, n);
      }
    }
  }
  // Up to a whole quad, whose weights there are 0.
  for (int64_t i = s.kernel_h * s.kernel_w * s.in_c; i < p.pitch(); ++i) *to++ = 0;
}

// `rows` rows of one panel: sums, then results.
inline void finish_panel(const DotArgs& a, StridedDots t, int64_t rows, int64_t first_pixel, int64_t panel,
                         Ahead& ahead) {
  const DotPlan& p = *a.plan;
  constexpr int64_t kGroup = 8 * dot_rows(kDotVecs);  // whose sums stay in the first-level cache
  HWY_ALIGN int32_t acc[kGroup * DotPlan::kPanel];
  const int64_t channel = panel * DotPlan::kPanel;
  const int64_t channels = std::min(DotPlan::kPanel, p.shape.out_c - channel);
  t.sums = acc;
  const int64_t groups = ceil_div(rows, kGroup);
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t n = rows * (group + 1) / groups - rows * group / groups;
    rows_of_dots_wide(channels, n, t, ahead);
    finish_tile(*a.epilogue, EpilogueTile<int32_t>{acc, DotPlan::kPanel, n, channels, first_pixel, channel, a.dst,
                                                   p.shape.dst_pixel_stride});
    first_pixel += n;
    t.source += n * t.row_stride;
  }
}

void conv_dot(const DotArgs& a) {
  const DotPlan& p = *a.plan;
  const int64_t panel_blocks = DotPlan::kPanel / kOcBlock;
  const auto panel_weights = [&](int64_t panel) {
    const int64_t block = panel * panel_blocks;
    const int64_t blocks = std::min(panel_blocks, p.oc_blocks - block);
    return Ahead{reinterpret_cast<const std::byte*>(a.packed + block * p.block_bytes()), blocks * p.block_bytes()};
  };
  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first = chunk * p.chunk_rows;
    const int64_t rows = std::min(p.chunk_rows, p.rows - first);
    if (!p.in_place) {
      for (int64_t row = 0; row < rows; ++row) gather_row(p, a.src, first + row, a.scratch + row * p.pitch());
    }
    const uint8_t* source = p.in_place ? a.src + first * p.shape.src_pixel_stride : a.scratch;
    const int64_t row_stride = p.in_place ? p.shape.src_pixel_stride : p.pitch();
    for (int64_t panel = a.panel_begin; panel < a.panel_end; ++panel) {
      Ahead ahead = a.ahead;
      if (panel + 1 < a.panel_end) {
        ahead = panel_weights(panel + 1);
      } else if (chunk + 1 < a.chunk_end) {
        ahead = panel_weights(a.panel_begin);
      }
      const int8_t* weights = a.packed + panel * panel_blocks * p.block_bytes();
      finish_panel(a, {source, row_stride, p.quads, weights, p.block_bytes(), nullptr, DotPlan::kPanel}, rows, first,
                   panel, ahead);
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_dot);

namespace conv_dot_int8 {

bool supports(const ConvShape& s, Elem src_elem) {
  return src_elem == Elem::U8 && s.groups == 1 && s.in_c >= 4 && has_dot();
}

size_t packed_bytes(const ConvShape& s) {
  const DotPlan p(s, 1);
  return static_cast<size_t>(p.oc_blocks * p.block_bytes());
}

// [block of outputs][quad of inputs][output][input of the quad]
void pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  for (int64_t oc0 = 0; oc0 < s.out_c; oc0 += kOcBlock) {
    packed = interleave_rows(weights + oc0, s.out_c, s.kernel_h * s.kernel_w * s.in_c,
                             std::min(kOcBlock, s.out_c - oc0), 4, packed);
  }
}

size_t workspace_bytes(const ConvShape& s, int threads) {
  return DotPlan(s, threads).scratch_bytes() * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, const void* src, const int8_t* packed, const Epilogue& epilogue, void* dst,
         std::byte* workspace, int threads, const Ahead& ahead) {
  const DotPlan p(s, threads);
  for_each_grid_part(p.threads_m, p.threads_n, p.chunks, p.panels, threads, [&](const GridPart& part) {
    const DotArgs args{&p,
                       static_cast<const uint8_t*>(src),
                       packed,
                       &epilogue,
                       dst,
                       part.chunk_begin,
                       part.chunk_end,
                       part.block_begin,
                       part.block_end,
                       reinterpret_cast<uint8_t*>(workspace) + static_cast<size_t>(part.index) * p.scratch_bytes(),
                       ahead.part(part.index, int64_t{p.threads_m} * p.threads_n)};
    HWY_DYNAMIC_DISPATCH(conv_dot)(args);
  });
}

}  // namespace conv_dot_int8
}  // namespace tfengine::kernels
#endif
