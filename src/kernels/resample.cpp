// SPDX-License-Identifier: Apache-2.0
#include "kernels/resample.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/blend-inl.h"

namespace tfengine::kernels {

// Where sample i of `count` lies along an axis of `size` pixels; in float, as TensorFlow computes it. Compiled for no
// instruction set in particular, and kept apart from what is: a fused multiplication and addition rounds otherwise, and the
// nearest pixel may be another.
HWY_NOINLINE float crop_position(float from, float to, int64_t size, int64_t i, int64_t count);

}  // namespace tfengine::kernels

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

inline void add_scaled(int64_t n, float weight, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += weight * x[i];
}

// One row of the result: rows of the source mixed, then pixels of that.
void resample_row(const ResampleShape& s, const AxisWeights& rows, const AxisWeights& columns, const float* image,
                  int64_t y, float* mixed, float* to) {
  const int64_t line = s.in_w * s.channels;
  std::fill_n(mixed, line, 0.0f);
  for (int64_t k = rows.first[static_cast<size_t>(y)]; k < rows.first[static_cast<size_t>(y) + 1]; ++k) {
    add_scaled(line, rows.weight[static_cast<size_t>(k)], image + rows.index[static_cast<size_t>(k)] * line, mixed);
  }
  for (int64_t x = 0; x < s.out_w; ++x, to += s.channels) {
    std::fill_n(to, s.channels, 0.0f);
    for (int64_t k = columns.first[static_cast<size_t>(x)]; k < columns.first[static_cast<size_t>(x) + 1]; ++k) {
      add_scaled(s.channels, columns.weight[static_cast<size_t>(k)],
                 mixed + columns.index[static_cast<size_t>(k)] * s.channels, to);
    }
  }
}

// Written so that a coordinate that is not a number lies outside.
inline bool inside(float x, int64_t size) { return x >= 0 && x <= static_cast<float>(size - 1); }

void crop_row(const CropShape& s, const float* image, const float* box, int64_t row, float* to) {
  const float y = crop_position(box[0], box[2], s.in_h, row, s.out_h);
  if (!inside(y, s.in_h)) {
    std::fill_n(to, s.out_w * s.channels, s.outside);
    return;
  }
  const float top = std::floor(y), bottom = std::ceil(y);
  for (int64_t i = 0; i < s.out_w; ++i, to += s.channels) {
    const float x = crop_position(box[1], box[3], s.in_w, i, s.out_w);
    const auto pixel = [&](float py, float px) {
      return image + (static_cast<int64_t>(py) * s.in_w + static_cast<int64_t>(px)) * s.channels;
    };
    if (!inside(x, s.in_w)) {
      std::fill_n(to, s.channels, s.outside);
    } else if (s.nearest) {
      std::copy_n(pixel(std::round(y), std::round(x)), s.channels, to);
    } else {
      const float left = std::floor(x), right = std::ceil(x), across = x - left, down = y - top;
      const float *a = pixel(top, left), *b = pixel(top, right), *c = pixel(bottom, left), *d = pixel(bottom, right);
      blend_pixels(s.channels, a, b, c, d, across, down, to);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(resample_row);
HWY_EXPORT(crop_row);

}  // namespace

float crop_position(float from, float to, int64_t size, int64_t i, int64_t count) {
  const auto last = static_cast<float>(size - 1);
  if (count <= 1) return 0.5f * (from + to) * last;
  const float step = (to - from) * last / static_cast<float>(count - 1);
  return from * last + static_cast<float>(i) * step;
}

void resample_f32(const ResampleShape& s, const AxisWeights& rows, const AxisWeights& columns, const float* src,
                  float* dst, float* workspace, int threads) {
  const int64_t line = s.in_w * s.channels, units = s.batch * s.out_h;
  const double ns =
      static_cast<double>(units) * (static_cast<double>(s.out_w * s.channels) * 2.0 + static_cast<double>(line));
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int thread) {
    float* mixed = workspace + thread * line;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t n = unit / s.out_h, y = unit % s.out_h;
      HWY_DYNAMIC_DISPATCH(resample_row)
      (s, rows, columns, src + n * s.in_h * line, y, mixed, dst + unit * s.out_w * s.channels);
    }
  });
}

void crop_and_resize_f32(const CropShape& s, const float* src, const float* boxes, const int32_t* owners, float* dst,
                         int threads) {
  const int64_t units = s.boxes * s.out_h;
  const double ns = static_cast<double>(units * s.out_w) * (10.0 + 1.5 * static_cast<double>(s.channels));
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t box = unit / s.out_h;
      HWY_DYNAMIC_DISPATCH(crop_row)
      (s, src + owners[box] * s.in_h * s.in_w * s.channels, boxes + 4 * box, unit % s.out_h,
       dst + unit * s.out_w * s.channels);
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
