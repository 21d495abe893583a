// SPDX-License-Identifier: Apache-2.0
// The bytes under output pixels as rows of a matrix, zero points where the kernel leaves the image. Included inside
// foreach_target.h.
#if defined(TFENGINE_KERNELS_CONV_DOT_GATHER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_CONV_DOT_GATHER_INL_H_
#undef TFENGINE_KERNELS_CONV_DOT_GATHER_INL_H_
#else
#define TFENGINE_KERNELS_CONV_DOT_GATHER_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/conv_dot_plan.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

inline constexpr uint8_t kSignFlip = 0x80;  // x + 128 as an unsigned byte

inline void copy_flipped(const uint8_t* from, int64_t bytes, uint8_t* to) {
  const hn::ScalableTag<uint8_t> d;
  const auto flip = hn::Set(d, kSignFlip);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= bytes; i += lanes) hn::StoreU(hn::Xor(hn::LoadU(d, from + i), flip), d, to + i);
  const hn::CappedTag<uint8_t, 8> d8;
  const auto few = static_cast<int64_t>(hn::Lanes(d8));
  for (; i + few <= bytes; i += few) {
    hn::StoreU(hn::Xor(hn::LoadU(d8, from + i), hn::Set(d8, kSignFlip)), d8, to + i);
  }
  for (; i < bytes; ++i) to[i] = from[i] ^ kSignFlip;
}

// An output pixel's place in the source: of its kernel's first row and column.
struct Corner {
  const uint8_t* image;
  int64_t y, x;

  Corner(const ConvShape& s, const uint8_t* src, int64_t row)
      : image(src + row / (s.out_w * s.out_h) * s.in_h * s.in_w * s.src_pixel_stride),
        y(row / s.out_w % s.out_h * s.stride_h - s.pad_top),
        x(row % s.out_w * s.stride_w - s.pad_left) {}
};

inline void gather_pixels(const DotPlan& p, const uint8_t* src, int64_t first, int64_t rows, uint8_t* to) {
  const ConvShape& s = p.shape;
  const auto n = static_cast<size_t>(s.in_c);
  uint8_t* const begin = to;
  for (int64_t row = first; row < first + rows; ++row) {
    const Corner corner(s, src, row);
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      const int64_t y = corner.y + ky * s.dilation_h;
      for (int64_t kx = 0; kx < s.kernel_w; ++kx, to += n) {
        const int64_t x = corner.x + kx * s.dilation_w;
        if (y < 0 || y >= s.in_h || x < 0 || x >= s.in_w) {
          std::memset(to, 0, n);
        } else {
          std::memcpy(to, corner.image + (y * s.in_w + x) * s.src_pixel_stride, n);
        }
      }
    }
    // Up to a whole quad, whose weights there are 0.
    for (int64_t i = s.kernel_h * s.kernel_w * s.in_c; i < p.pitch(); ++i) *to++ = 0;
  }
  if (p.is_signed) copy_flipped(begin, to - begin, begin);
}

// The source rows under one row of output pixels, with their padding.
inline void copy_strips(const DotPlan& p, const Corner& corner, uint8_t* strips) {
  const ConvShape& s = p.shape;
  const uint8_t zero = p.is_signed ? kSignFlip : 0;
  const int64_t left = s.pad_left * s.in_c;
  const int64_t bytes = std::min(s.in_w * s.in_c, p.strip_bytes() - left);
  for (int64_t ky = 0; ky < s.kernel_h; ++ky, strips += p.strip_pitch()) {
    const int64_t y = corner.y + ky * s.dilation_h;
    if (y < 0 || y >= s.in_h) {
      std::memset(strips, zero, static_cast<size_t>(p.strip_pitch()));
      continue;
    }
    const uint8_t* from = corner.image + y * s.in_w * s.in_c;
    std::memset(strips, zero, static_cast<size_t>(left));
    if (p.is_signed) {
      copy_flipped(from, bytes, strips + left);
    } else {
      std::memcpy(strips + left, from, static_cast<size_t>(bytes));
    }
    std::memset(strips + left + bytes, zero, static_cast<size_t>(p.strip_pitch() - left - bytes));
  }
}

// Every run is a move of kBytes bytes, whose end the next one overwrites; after a row's last run lie weights of 0, or the
// next row.
template <int kBytes>
void gather_rows_of_runs(const DotPlan& p, const uint8_t* from, int64_t rows, uint8_t* to) {
  const int64_t kernel_h = p.shape.kernel_h, step = p.shape.stride_w * p.shape.in_c;
  const int64_t run = p.run_bytes(), pitch = p.pitch(), strip_pitch = p.strip_pitch();
  for (int64_t i = 0; i < rows; ++i, from += step, to += pitch) {
    for (int64_t ky = 0; ky < kernel_h; ++ky) std::memcpy(to + ky * run, from + ky * strip_pitch, kBytes);
  }
}

inline void gather_runs(const DotPlan& p, const uint8_t* src, int64_t first, int64_t rows, uint8_t* strips,
                        uint8_t* to) {
  const ConvShape& s = p.shape;
  while (rows > 0) {
    const int64_t x = first % s.out_w;
    const int64_t n = std::min(rows, s.out_w - x);
    copy_strips(p, Corner(s, src, first), strips);
    const uint8_t* from = strips + x * s.stride_w * s.in_c;
    if (p.run_bytes() <= DotPlan::kMove / 2) {
      gather_rows_of_runs<DotPlan::kMove / 2>(p, from, n, to);
    } else {
      gather_rows_of_runs<DotPlan::kMove>(p, from, n, to);
    }
    to += n * p.pitch();
    first += n;
    rows -= n;
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
