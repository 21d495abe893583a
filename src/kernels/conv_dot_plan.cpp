// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_dot_plan.h"

namespace tfengine::kernels {
namespace {

DotPlan::Source source_of(const ConvShape& s, bool is_signed) {
  const bool pixels_are_rows = s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
                               s.pad_top == 0 && s.pad_left == 0 && s.in_h == s.out_h && s.in_w == s.out_w;
  if (pixels_are_rows && s.in_c % 4 == 0 && !is_signed) return DotPlan::Source::InPlace;
  const bool short_runs = s.dilation_w == 1 && s.kernel_w * s.in_c <= DotPlan::kMove && s.src_pixel_stride == s.in_c;
  return short_runs ? DotPlan::Source::Runs : DotPlan::Source::Pixels;
}

// Weights come from memory, sources from a cache: a byte of the former counts as three.
void choose_grid(DotPlan& p, int threads) {
  double least = 0.0;
  for (int n = 1; n <= threads; ++n) {
    if (threads % n != 0) continue;
    const int m = threads / n;
    const double cost = static_cast<double>(3 * ceil_div(p.panels, n) * DotPlan::kPanel + ceil_div(p.rows, m)) +
                        static_cast<double>(ceil_div(p.panels, n) * ceil_div(p.rows, m)) / 4.0;
    if (least != 0.0 && cost >= least) continue;
    least = cost;
    p.threads_m = m;
    p.threads_n = n;
  }
}

// Every chunk reads all weights again, so that it should have many rows; its sources stay in the second-level cache, or
// where there are few weights, in the first.
void choose_chunks(DotPlan& p) {
  constexpr int64_t kChunkBytes = 256 * 1024, kSmallChunkBytes = 16 * 1024, kFewRows = 112;
  const int64_t bytes = p.source == DotPlan::Source::Runs ? kSmallChunkBytes : kChunkBytes;
  const int64_t most = std::max(bytes / p.pitch(), kFewRows);
  const int64_t share = ceil_div(p.rows, p.threads_m);
  p.chunk_rows = ceil_div(share, ceil_div(share, most));
  p.chunks = ceil_div(p.rows, p.chunk_rows);
}

}  // namespace

DotPlan::DotPlan(const ConvShape& s, bool signed_source, int threads)
    : shape(s),
      is_signed(signed_source),
      source(source_of(s, signed_source)),
      rows(s.batch * s.out_h * s.out_w),
      quads(ceil_div(s.kernel_h * s.kernel_w * s.in_c, 4)),
      oc_blocks(ceil_div(s.out_c, kOcBlock)),
      panels(ceil_div(s.out_c, kPanel)) {
  choose_grid(*this, std::max(threads, 1));
  choose_chunks(*this);
}

}  // namespace tfengine::kernels
