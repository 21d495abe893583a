// SPDX-License-Identifier: Apache-2.0
// Pooling: a block of channels at a time; the window is cut to the image per output row and column, so that the loops over
// it have no tests inside.
#include "kernels/pool.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/eltwise_block.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/epilogue_hwy-inl.h"

#ifndef TFENGINE_KERNELS_POOL_ONCE
#define TFENGINE_KERNELS_POOL_ONCE
namespace tfengine::kernels {

// One window, cut to the image: rows [y0, y1), columns [x0, x1).
struct PoolWindow {
  int64_t image, y0, y1, x0, x1;
};

// The columns of the window of output column ox.
inline void cut_columns(const PoolShape& s, int64_t ox, PoolWindow& w) {
  const int64_t x = ox * s.stride_w - s.pad_left;
  w.x0 = std::max<int64_t>(x, 0);
  w.x1 = std::max(std::min(x + s.window_w, s.in_w), w.x0);
}

// Channels of one block of sums: 16 KiB of input rows of a 7 x 7 window stay in the first-level cache.
inline constexpr int64_t kPoolChannels = 256;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Maxima of whole vectors of type D from channel c on; returns the first channel that is left.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE int64_t max_vectors(D d, const T* corner, int64_t rows, int64_t row_step, int64_t cols, int64_t step,
                               int64_t c, int64_t channels, T lowest, T* dst) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; c + lanes <= channels; c += lanes) {
    auto most = hn::Set(d, lowest);
    for (int64_t y = 0; y < rows; ++y) {
      const T* p = corner + y * row_step + c;
      for (int64_t x = 0; x < cols; ++x, p += step) most = hn::Max(most, hn::LoadU(d, p));
    }
    hn::StoreU(most, d, dst + c);
  }
  return c;
}

// dst[c] = maximum over the window, in the type of src. Shorter vectors take what longer ones leave.
template <class T>
void max_window_as(const PoolShape& s, const PoolWindow& w, const T* src, T* dst) {
  constexpr T lowest = std::numeric_limits<T>::has_infinity ? static_cast<T>(-std::numeric_limits<T>::infinity())
                                                            : std::numeric_limits<T>::lowest();
  const int64_t step = s.src_pixel_stride, row_step = s.in_w * step;
  const T* corner = src + ((w.image * s.in_h + w.y0) * s.in_w + w.x0) * step;
  const int64_t rows = w.y1 - w.y0, cols = w.x1 - w.x0;
  const auto from = [&](auto d, int64_t c) HWY_ATTR {
    return max_vectors(d, corner, rows, row_step, cols, step, c, s.channels, lowest, dst);
  };
  int64_t c = from(hn::ScalableTag<T>(), 0);
  c = from(hn::CappedTag<T, 16 / sizeof(T)>(), c);
  c = from(hn::CappedTag<T, 8 / sizeof(T)>(), c);
  from(hn::CappedTag<T, 1>(), c);
}

void max_window(const PoolShape& s, const PoolWindow& w, Elem elem, const void* src, void* dst) {
  if (elem == Elem::F32) return max_window_as(s, w, static_cast<const float*>(src), static_cast<float*>(dst));
  if (elem == Elem::S8) return max_window_as(s, w, static_cast<const int8_t*>(src), static_cast<int8_t*>(dst));
  max_window_as(s, w, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst));
}

// sums[i] = sum over `count` pixels, `step` elements apart, of channel i, as float: exact for 8-bit values up to 2^24 / 255
// pixels, and added in two levels beyond that by the caller. Adds to what sums holds.
template <class T>
void add_pixels_as(const T* src, int64_t rows, int64_t row_step, int64_t cols, int64_t step, int64_t channels,
                   float* sums) {
  const hn::ScalableTag<float> df;
  const hn::RebindToSigned<decltype(df)> di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    if constexpr (std::is_same_v<T, float>) {
      auto sum0 = hn::LoadU(df, sums + c), sum1 = hn::LoadU(df, sums + c + lanes);
      for (int64_t y = 0; y < rows; ++y) {
        const T* p = src + y * row_step + c;
        for (int64_t x = 0; x < cols; ++x, p += step) {
          sum0 = hn::Add(sum0, hn::LoadU(df, p));
          sum1 = hn::Add(sum1, hn::LoadU(df, p + lanes));
        }
      }
      hn::StoreU(sum0, df, sums + c);
      hn::StoreU(sum1, df, sums + c + lanes);
    } else {
      const hn::Rebind<T, decltype(df)> d8;
      auto sum0 = hn::Zero(di), sum1 = hn::Zero(di);
      for (int64_t y = 0; y < rows; ++y) {
        const T* p = src + y * row_step + c;
        for (int64_t x = 0; x < cols; ++x, p += step) {
          sum0 = hn::Add(sum0, hn::PromoteTo(di, hn::LoadU(d8, p)));
          sum1 = hn::Add(sum1, hn::PromoteTo(di, hn::LoadU(d8, p + lanes)));
        }
      }
      hn::StoreU(hn::Add(hn::ConvertTo(df, sum0), hn::LoadU(df, sums + c)), df, sums + c);
      hn::StoreU(hn::Add(hn::ConvertTo(df, sum1), hn::LoadU(df, sums + c + lanes)), df, sums + c + lanes);
    }
  }
  using Sum = std::conditional_t<std::is_same_v<T, float>, float, int32_t>;
  for (; c < channels; ++c) {
    Sum sum = 0;
    for (int64_t y = 0; y < rows; ++y) {
      const T* p = src + y * row_step + c;
      for (int64_t x = 0; x < cols; ++x, p += step) sum += *p;
    }
    sums[c] += static_cast<float>(sum);
  }
}

void add_pixels(Elem elem, const void* src, int64_t rows, int64_t row_step, int64_t cols, int64_t step,
                int64_t channels, float* sums) {
  if (elem == Elem::F32) {
    add_pixels_as(static_cast<const float*>(src), rows, row_step, cols, step, channels, sums);
  } else if (elem == Elem::S8) {
    add_pixels_as(static_cast<const int8_t*>(src), rows, row_step, cols, step, channels, sums);
  } else {
    add_pixels_as(static_cast<const uint8_t*>(src), rows, row_step, cols, step, channels, sums);
  }
}

// Means of whole vectors of type D from channel c on; returns the first channel that is left.
template <class D>
HWY_INLINE int64_t mean_vectors(D d, const float* corner, int64_t rows, int64_t row_step, int64_t cols, int64_t step,
                                int64_t c, int64_t channels, float factor, float* dst) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; c + lanes <= channels; c += lanes) {
    auto sum = hn::Zero(d);
    for (int64_t y = 0; y < rows; ++y) {
      const float* p = corner + y * row_step + c;
      for (int64_t x = 0; x < cols; ++x, p += step) sum = hn::Add(sum, hn::LoadU(d, p));
    }
    hn::StoreU(hn::Mul(sum, hn::Set(d, factor)), d, dst + c);
  }
  return c;
}

// A row of results of an average pool of floats without an activation. `w` has the rows of its windows.
void mean_row_f32(const PoolShape& s, PoolWindow w, const float* src, float* dst) {
  const int64_t step = s.src_pixel_stride, row_step = s.in_w * step, rows = w.y1 - w.y0;
  const float* line = src + (w.image * s.in_h + w.y0) * row_step;
  for (int64_t x = 0; x < s.out_w; ++x, dst += s.dst_pixel_stride) {
    cut_columns(s, x, w);
    const int64_t cols = w.x1 - w.x0;
    const float factor = 1.0f / static_cast<float>(std::max<int64_t>(rows * cols, 1));
    const auto from = [&](auto d, int64_t c) HWY_ATTR {
      return mean_vectors(d, line + w.x0 * step, rows, row_step, cols, step, c, s.channels, factor, dst);
    };
    int64_t c = from(hn::ScalableTag<float>(), 0);
    c = from(hn::CappedTag<float, 4>(), c);
    from(hn::CappedTag<float, 1>(), c);
  }
}

// dst = act(sums * factor - the source's zero point), stored as dst's type.
void finish_sums(const PoolEpilogue& e, int64_t n, const float* sums, float factor, void* dst) {
  Epilogue epilogue;
  epilogue.before_add = {};
  epilogue.after_add = e.act;
  epilogue.dst_elem = e.dst_elem;
  epilogue.dst_inv_scale = e.dst_inv_scale;
  epilogue.dst_zero = e.dst_zero;
  HWY_ALIGN float scaled[kPoolChannels];
  const hn::ScalableTag<float> df;
  const auto f = hn::Set(df, factor), origin = hn::Set(df, -e.src_zero * e.src_scale);
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(df))) {
    hn::Store(hn::MulAdd(hn::Load(df, sums + i), f, origin), df, scaled + i);
  }
  epilogue_tile<float>(epilogue, {scaled, n, 1, n, 0, 0, dst, n});
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(max_window);
HWY_EXPORT(add_pixels);
HWY_EXPORT(mean_row_f32);
HWY_EXPORT(finish_sums);

bool same_grid(const PoolEpilogue& e) {
  if (e.act.kind != ActKind::None || e.src_elem != e.dst_elem) return false;
  if (e.src_elem == Elem::F32) return true;
  return std::abs(e.src_scale * e.dst_inv_scale - 1.0f) < 9.5e-7f && e.src_zero == e.dst_zero;
}

// Calls f(window, index of the output row) for every output row; the window has no columns yet.
template <class F>
void for_each_row(const PoolShape& s, double ns_per_tap, int threads, F&& f) {
  const int64_t rows = s.batch * s.out_h;
  const double ns = ns_per_tap * static_cast<double>(rows * s.out_w * s.channels * s.window_h * s.window_w);
  parallel_ranges(rows, useful_threads(threads, ns, rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      PoolWindow w;
      w.image = r / s.out_h;
      const int64_t y = r % s.out_h * s.stride_h - s.pad_top;
      w.y0 = std::max<int64_t>(y, 0);
      w.y1 = std::max(std::min(y + s.window_h, s.in_h), w.y0);
      f(w, r);
    }
  });
}

// Calls f(window, index of the output pixel) for every output pixel.
template <class F>
void for_each_window(const PoolShape& s, double ns_per_tap, int threads, F&& f) {
  for_each_row(s, ns_per_tap, threads, [&](PoolWindow w, int64_t row) {
    for (int64_t ox = 0; ox < s.out_w; ++ox) {
      cut_columns(s, ox, w);
      f(w, row * s.out_w + ox);
    }
  });
}

float src_factor(const PoolEpilogue& e) { return e.src_elem == Elem::F32 ? 1.0f : e.src_scale; }

}  // namespace

void max_pool(const PoolShape& s, const PoolEpilogue& e, const void* src, void* dst, int threads) {
  if (same_grid(e)) {
    for_each_window(s, e.src_elem == Elem::F32 ? 0.06 : 0.02, threads, [&](const PoolWindow& w, int64_t pixel) {
      HWY_DYNAMIC_DISPATCH(max_window)(s, w, e.src_elem, src, offset(e.dst_elem, dst, pixel * s.dst_pixel_stride));
    });
    return;
  }
  // Through a block of maxima in the type of src; channel blocks bound its size.
  for_each_window(s, 0.1, threads, [&](const PoolWindow& w, int64_t pixel) {
    alignas(64) float maxima[kPoolChannels], real[kPoolChannels];
    PoolShape block = s;
    for (int64_t c = 0; c < s.channels; c += kPoolChannels) {
      block.channels = std::min(kPoolChannels, s.channels - c);
      HWY_DYNAMIC_DISPATCH(max_window)(block, w, e.src_elem, offset(e.src_elem, src, c), maxima);
      block_load(e.src_elem, block.channels, maxima, 1.0f, 0.0f, real);
      void* to = offset(e.dst_elem, dst, pixel * s.dst_pixel_stride + c);
      HWY_DYNAMIC_DISPATCH(finish_sums)(e, block.channels, real, src_factor(e), to);
    }
  });
}

void avg_pool(const PoolShape& s, const PoolEpilogue& e, const void* src, void* dst, int threads) {
  if (same_grid(e) && e.src_elem == Elem::F32) {
    return for_each_row(s, 0.05, threads, [&](const PoolWindow& w, int64_t row) {
      HWY_DYNAMIC_DISPATCH(mean_row_f32)
      (s, w, static_cast<const float*>(src), static_cast<float*>(dst) + row * s.out_w * s.dst_pixel_stride);
    });
  }
  for_each_window(s, 0.08, threads, [&](const PoolWindow& w, int64_t pixel) {
    const int64_t count = (w.y1 - w.y0) * (w.x1 - w.x0);
    const float factor = src_factor(e) / static_cast<float>(std::max<int64_t>(count, 1));
    const int64_t corner = ((w.image * s.in_h + w.y0) * s.in_w + w.x0) * s.src_pixel_stride;
    alignas(64) float sums[kPoolChannels];
    for (int64_t c = 0; c < s.channels; c += kPoolChannels) {
      const int64_t n = std::min(kPoolChannels, s.channels - c);
      // To a whole vector: what lies behind the channels is multiplied, too.
      std::fill_n(sums, (n + 63) / 64 * 64, 0.0f);
      HWY_DYNAMIC_DISPATCH(add_pixels)
      (e.src_elem, offset(e.src_elem, src, corner + c), w.y1 - w.y0, s.in_w * s.src_pixel_stride, w.x1 - w.x0,
       s.src_pixel_stride, n, sums);
      HWY_DYNAMIC_DISPATCH(finish_sums)
      (e, n, sums, factor, offset(e.dst_elem, dst, pixel * s.dst_pixel_stride + c));
    }
  });
}

void global_avg_pool(const GlobalPoolShape& s, const PoolEpilogue& e, const void* src, void* dst, int threads) {
  // Few channels per unit at batch 1, so that threads can share; 64 floats or bytes are whole cache lines.
  constexpr int64_t kUnitChannels = 64;
  const int64_t groups = (s.channels + kUnitChannels - 1) / kUnitChannels;
  const int64_t units = s.batch * groups;
  const double ns = 0.06 * static_cast<double>(s.batch * s.pixels * s.channels);
  // Integer sums of 2^14 pixels are below 2^22 and exact as floats; so are float sums of a few such parts, nearly.
  constexpr int64_t kPart = 16384;
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    alignas(64) float sums[kPoolChannels];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t image = unit / groups, c = unit % groups * kUnitChannels;
      const int64_t n = std::min(kUnitChannels, s.channels - c);
      std::fill_n(sums, kPoolChannels, 0.0f);
      for (int64_t p = 0; p < s.pixels; p += kPart) {
        const int64_t first = (image * s.pixels + p) * s.src_pixel_stride + c;
        HWY_DYNAMIC_DISPATCH(add_pixels)
        (e.src_elem, offset(e.src_elem, src, first), 1, 0, std::min(kPart, s.pixels - p), s.src_pixel_stride, n, sums);
      }
      const float factor = src_factor(e) / static_cast<float>(std::max<int64_t>(s.pixels, 1));
      HWY_DYNAMIC_DISPATCH(finish_sums)(e, n, sums, factor, offset(e.dst_elem, dst, image * s.dst_stride + c));
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
