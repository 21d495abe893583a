// SPDX-License-Identifier: Apache-2.0
#include "kernels/lrn.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lrn.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_LRN_ONCE
#define TFENGINE_KERNELS_LRN_ONCE
namespace tfengine::kernels {

inline constexpr int64_t kBlock = 256;  // channels whose sums are kept at once
inline constexpr int64_t kPiece = 8192;
// Windows of up to 2 * 8 + 1 channels are added up as they are, with vectors; a wider one is moved along.
inline constexpr int64_t kNarrow = 8;
// Squares of pixels whose windows are added up together: 8 KiB.
inline constexpr int64_t kSquares = 2048;

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;

// x / base^beta; the exponents that networks have need no logarithm.
inline void divide_by_powers(int64_t n, float beta, const float* x, const float* base, float* y) {
  if (beta == 0.5f) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] / std::sqrt(base[i]);
  } else if (beta == 0.75f) {
    for (int64_t i = 0; i < n; ++i) {
      const float root = std::sqrt(base[i]);
      y[i] = x[i] / (root * std::sqrt(root));
    }
  } else if (beta == 1.0f) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] / base[i];
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] / std::pow(base[i], beta);
  }
}

// y = x / base^beta for the exponents that need no logarithm.
template <class Power>
HWY_INLINE void divide_by(int64_t n, const float* x, const float* base, float* y, Power power) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Div(hn::LoadU(d, x + i), power(hn::LoadU(d, base + i))), d, y + i);
  const hn::CappedTag<float, 1> d1;
  for (; i < n; ++i) hn::StoreU(hn::Div(hn::LoadU(d1, x + i), power(hn::LoadU(d1, base + i))), d1, y + i);
}

// Pixels with room for a window's overhang between them, so that all their sums are one loop.
struct Overhung {
  int64_t pitch, pixels;
};
inline Overhung overhung(const LrnShape& s) {
  const int64_t pitch = s.channels + 2 * s.radius;
  return {pitch, kSquares / pitch};
}

HWY_INLINE void normalise_narrow(const LrnShape& s, int64_t pixels, const float* x, float* y) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), pitch = overhung(s).pitch, width = pixels * pitch;
  constexpr int64_t kBehind = HWY_MAX_BYTES / sizeof(float) + 2 * kNarrow;
  float squares[kSquares + kBehind], base[kSquares + kBehind];
  std::fill_n(squares, width + lanes + 2 * s.radius, 0.0f);
  for (int64_t p = 0; p < pixels; ++p) {
    float* to = squares + p * pitch + s.radius;
    const float* from = x + p * s.channels;
    int64_t c = 0;
    for (; c + lanes <= s.channels; c += lanes) {
      const auto v = hn::LoadU(d, from + c);
      hn::StoreU(hn::Mul(v, v), d, to + c);
    }
    for (; c < s.channels; ++c) to[c] = from[c] * from[c];
  }
  const auto alpha = hn::Set(d, s.alpha), bias = hn::Set(d, s.bias);
  for (int64_t i = 0; i < width; i += lanes) {
    auto sum = hn::LoadU(d, squares + i);
    for (int64_t k = 1; k <= 2 * s.radius; ++k) sum = hn::Add(sum, hn::LoadU(d, squares + i + k));
    hn::StoreU(hn::MulAdd(sum, alpha, bias), d, base + i);
  }
  for (int64_t p = 0; p < pixels; ++p) {
    const float *from = x + p * s.channels, *b = base + p * pitch;
    float* to = y + p * s.channels;
    if (s.beta == 0.5f) {
      divide_by(s.channels, from, b, to, [](auto v) HWY_ATTR { return hn::Sqrt(v); });
    } else if (s.beta == 0.75f) {
      divide_by(s.channels, from, b, to, [](auto v) HWY_ATTR {
        const auto root = hn::Sqrt(v);
        return hn::Mul(root, hn::Sqrt(root));
      });
    } else {
      divide_by_powers(s.channels, s.beta, from, b, to);
    }
  }
}

void normalise_pixel(const LrnShape& s, const float* x, float* y) {
  for (int64_t first = 0; first < s.channels; first += kBlock) {
    const int64_t n = std::min(kBlock, s.channels - first);
    float base[kBlock];
    // A window that moves by one channel takes one square in and lets one go; in double, where that loses nothing.
    double sum = 0.0;
    for (int64_t c = std::max<int64_t>(first - s.radius, 0); c < std::min(first + s.radius, s.channels); ++c) {
      sum += static_cast<double>(x[c]) * x[c];
    }
    for (int64_t c = first; c < first + n; ++c) {
      if (const int64_t in = c + s.radius; in < s.channels) sum += static_cast<double>(x[in]) * x[in];
      base[c - first] = static_cast<float>(s.bias + s.alpha * sum);
      if (const int64_t out = c - s.radius; out >= 0) sum -= static_cast<double>(x[out]) * x[out];
    }
    divide_by_powers(n, s.beta, x + first, base, y + first);
  }
}

void normalise_pixels(const LrnShape& s, int64_t count, const float* src, float* dst) {
  const int64_t together = s.radius <= kNarrow ? overhung(s).pixels : 0;
  for (int64_t p = 0; p < count; p += std::max<int64_t>(together, 1)) {
    const float* x = src + p * s.channels;
    float* y = dst + p * s.channels;
    together > 0 ? normalise_narrow(s, std::min(together, count - p), x, y) : normalise_pixel(s, x, y);
  }
}

double square_sum_of(int64_t n, const float* x) {
  // Sixteen sums at once: additions do not wait for each other.
  double sums[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int k = 0; k < 16; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(normalise_pixels);
HWY_EXPORT(square_sum_of);

}  // namespace

void lrn_f32(const LrnShape& s, const float* src, float* dst, int threads) {
  const double ns = static_cast<double>(s.pixels * s.channels) * (1.0 + 0.1 * static_cast<double>(s.radius));
  parallel_ranges(s.pixels, useful_threads(threads, ns, s.pixels), [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(normalise_pixels)(s, end - begin, src + begin * s.channels, dst + begin * s.channels);
  });
}

int64_t square_sum_partials(int64_t count) { return std::max<int64_t>((count + kPiece - 1) / kPiece, 1); }

double square_sum(int64_t count, const float* src, double* partials, int threads) {
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  const auto add_up = [&](int64_t piece) {
    partials[piece] =
        HWY_DYNAMIC_DISPATCH(square_sum_of)(std::min(kPiece, count - piece * kPiece), src + piece * kPiece);
  };
  parallel_ranges(pieces, useful_threads(threads, 0.3 * static_cast<double>(count), pieces),
                  [&](int64_t begin, int64_t end, int) {
                    for (int64_t piece = begin; piece < end; ++piece) add_up(piece);
                  });
  double total = 0.0;
  for (int64_t piece = 0; piece < pieces; ++piece) total += partials[piece];
  return total;
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
