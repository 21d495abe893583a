// SPDX-License-Identifier: Apache-2.0
// Coordinates are TensorFlow's (image_resizer_state.h, resize_nearest_neighbor_op.cc): float arithmetic in the same order,
// because a coordinate that rounds differently takes another pixel.
#include "kernels/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/blend-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

void blend(int64_t n, const float* a, const float* b, const float* c, const float* d, float fx, float fy, float* dst) {
  blend_pixels(n, a, b, c, d, fx, fy, dst);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(blend);

float scale_of(int64_t in, int64_t out, bool align_corners) {
  return align_corners && out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                                  : static_cast<float>(in) / static_cast<float>(out);
}

struct Position {
  int64_t low, high;
  float fraction;
};

Position bilinear_position(int64_t i, float scale, int64_t size, bool half_pixel) {
  const float x = half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f : static_cast<float>(i) * scale;
  const float floor = std::floor(x);
  Position p;
  p.low = std::max<int64_t>(static_cast<int64_t>(floor), 0);
  p.high = std::min<int64_t>(static_cast<int64_t>(std::ceil(x)), size - 1);
  p.low = std::min(p.low, size - 1);
  p.high = std::max<int64_t>(p.high, 0);
  p.fraction = x - floor;
  return p;
}

int64_t nearest_position(int64_t i, float scale, int64_t size, const ResizeShape& s) {
  const float x = s.half_pixel_centers ? (static_cast<float>(i) + 0.5f) * scale : static_cast<float>(i) * scale;
  const auto at = static_cast<int64_t>(s.align_corners ? std::round(x) : std::floor(x));
  return std::clamp<int64_t>(at, 0, size - 1);
}

}  // namespace

void resize_nearest(int64_t elem_bytes, const ResizeShape& s, const void* src, void* dst, int threads) {
  const float scale_y = scale_of(s.in_h, s.out_h, s.align_corners),
              scale_x = scale_of(s.in_w, s.out_w, s.align_corners);
  const int64_t rows = s.batch * s.out_h;
  const size_t bytes = static_cast<size_t>(s.channels * elem_bytes);
  const double ns = static_cast<double>(rows * s.out_w) * (4.0 + 0.1 * static_cast<double>(bytes));
  parallel_ranges(rows, useful_threads(threads, ns, rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t y = nearest_position(r % s.out_h, scale_y, s.in_h, s);
      const char* row =
          static_cast<const char*>(src) + (r / s.out_h * s.in_h + y) * s.in_w * s.src_pixel_stride * elem_bytes;
      char* to = static_cast<char*>(dst) + r * s.out_w * s.dst_pixel_stride * elem_bytes;
      for (int64_t x = 0; x < s.out_w; ++x, to += s.dst_pixel_stride * elem_bytes) {
        std::memcpy(to, row + nearest_position(x, scale_x, s.in_w, s) * s.src_pixel_stride * elem_bytes, bytes);
      }
    }
  });
}

void resize_bilinear_f32(const ResizeShape& s, const float* src, float* dst, int threads) {
  const float scale_y = scale_of(s.in_h, s.out_h, s.align_corners),
              scale_x = scale_of(s.in_w, s.out_w, s.align_corners);
  const int64_t rows = s.batch * s.out_h, step = s.src_pixel_stride;
  const double ns = static_cast<double>(rows * s.out_w) * (8.0 + 0.4 * static_cast<double>(s.channels));
  parallel_ranges(rows, useful_threads(threads, ns, rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const Position y = bilinear_position(r % s.out_h, scale_y, s.in_h, s.half_pixel_centers);
      const float* image = src + r / s.out_h * s.in_h * s.in_w * step;
      const float* top = image + y.low * s.in_w * step;
      const float* bottom = image + y.high * s.in_w * step;
      for (int64_t ox = 0; ox < s.out_w; ++ox) {
        const Position x = bilinear_position(ox, scale_x, s.in_w, s.half_pixel_centers);
        HWY_DYNAMIC_DISPATCH(blend)
        (s.channels, top + x.low * step, top + x.high * step, bottom + x.low * step, bottom + x.high * step, x.fraction,
         y.fraction, dst + (r * s.out_w + ox) * s.dst_pixel_stride);
      }
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
