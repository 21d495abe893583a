// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_plan.h"

namespace tfengine::kernels {
namespace {

// The copy of a chunk is read once per block of output channels: it has to stay in the second-level cache (512 KiB on the
// smallest CPU we care for) beside the weights of a block.
constexpr int64_t kChunkBytes = 160 * 1024;

bool is_pointwise(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.pad_top == 0 && s.pad_left == 0;
}

ConvShape flattened(const ConvShape& s) {
  if (!is_pointwise(s) || s.stride_h != 1 || s.stride_w != 1 || s.in_h != s.out_h || s.in_w != s.out_w) return s;
  ConvShape flat = s;
  flat.batch = 1;
  flat.in_h = flat.out_h = s.batch * s.out_h * s.out_w;
  flat.in_w = flat.out_w = 1;
  return flat;
}

// Each thread of a column of the grid widens the source of its chunks for itself, each of a row the weights of its blocks.
void choose_grid(ConvPlan& p, int threads) {
  const double pixels = static_cast<double>(p.shape.batch * p.shape.out_h * p.shape.out_w);
  const double blocks = static_cast<double>(p.oc_blocks);
  double best = 0.0;
  for (int n = 1; n <= threads; ++n) {
    if (threads % n != 0) continue;
    const int m = threads / n;
    const double thread_pixels = std::max(1.0, pixels / m);
    const double thread_blocks = std::max(1.0, static_cast<double>(ceil_div(p.oc_blocks, n)));
    // In cycles per pair of inputs: 6 pixels and a block take 8; widening a block 3; a pixel's pair 0.15 (per kernel row).
    const double cost =
        thread_pixels * thread_blocks * (8.0 / 6.0) + 3.0 * std::min(thread_blocks, blocks) + 0.15 * thread_pixels;
    if (best == 0.0 || cost < best) {
      best = cost;
      p.threads_m = m;
      p.threads_n = n;
    }
  }
}

void choose_chunks(ConvPlan& p) {
  const int64_t out_h = p.shape.out_h;
  // The results of a chunk are written a block of channels at a time, so they have to stay in the cache as well.
  const int64_t bytes_per_row =
      p.stride_h * p.row_elems * static_cast<int64_t>(sizeof(int16_t)) + 2 * p.shape.out_w * p.out_c;
  const int64_t halo_bytes = (p.image_elems(1) - p.stride_h * p.row_elems) * static_cast<int64_t>(sizeof(int16_t));
  const int64_t rows = std::clamp<int64_t>((kChunkBytes - halo_bytes) / std::max<int64_t>(bytes_per_row, 1), 1, out_h);
  p.chunks_per_image = ceil_div(out_h, rows);
  if (p.shape.batch * p.chunks_per_image % p.threads_m != 0) {
    p.chunks_per_image = std::min(round_up(p.chunks_per_image, p.threads_m), out_h);
  }
  p.chunk_rows = ceil_div(out_h, p.chunks_per_image);
  p.chunks_per_image = ceil_div(out_h, p.chunk_rows);
  p.chunk_images = 1;
  if (p.chunks_per_image == 1) {
    const int64_t image_bytes = p.image_elems(out_h) * static_cast<int64_t>(sizeof(int16_t));
    const int64_t share = ceil_div(p.shape.batch, p.threads_m);
    p.chunk_images = std::clamp<int64_t>(kChunkBytes / std::max<int64_t>(image_bytes, 1), 1, share);
  }
  p.chunks = ceil_div(p.shape.batch, p.chunk_images) * p.chunks_per_image;
}

}  // namespace

ConvPlan::ConvPlan(const ConvShape& s, int threads) : shape(flattened(s)) {
  in_c = s.in_c / s.groups;
  out_c = s.out_c / s.groups;
  oc_blocks = ceil_div(out_c, kOcBlock);
  pointwise = is_pointwise(s);
  step_h = pointwise ? s.stride_h : 1;
  step_w = pointwise ? s.stride_w : 1;
  stride_h = pointwise ? 1 : s.stride_h;
  stride_w = pointwise ? 1 : s.stride_w;
  const bool row_runs = s.dilation_w == 1 || s.kernel_w == 1;
  runs = row_runs ? s.kernel_h : s.kernel_h * s.kernel_w;
  run_len = row_runs ? s.kernel_w * in_c : in_c;
  copy_cols = (shape.out_w - 1) * stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
  row_elems = copy_cols * in_c;
  choose_grid(*this, std::max(threads, 1));
  choose_chunks(*this);
}

int64_t ConvPlan::run_offset(int64_t run) const {
  const int64_t runs_per_row = runs / shape.kernel_h;
  const int64_t row = run / runs_per_row;
  const int64_t col = run % runs_per_row;
  return row * shape.dilation_h * row_elems + col * shape.dilation_w * in_c;
}

}  // namespace tfengine::kernels
