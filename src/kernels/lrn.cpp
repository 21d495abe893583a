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

}  // namespace tfengine::kernels
#endif

// Plain loops, which the compiler turns into each instruction set's vectors.
HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

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

// base[c] of n channels from `first` on, n at most kBlock.
inline void add_narrow_windows(const LrnShape& s, int64_t first, int64_t n, const float* x, float* base) {
  float squares[kBlock + 2 * kNarrow], sums[kBlock];
  for (int64_t k = 0; k < n + 2 * s.radius; ++k) {
    const int64_t c = first + k - s.radius;
    const float value = c < 0 || c >= s.channels ? 0.0f : x[c];
    squares[k] = value * value;
  }
  for (int64_t c = 0; c < n; ++c) sums[c] = squares[c];
  for (int64_t k = 1; k <= 2 * s.radius; ++k) {
    for (int64_t c = 0; c < n; ++c) sums[c] += squares[c + k];
  }
  for (int64_t c = 0; c < n; ++c) base[c] = s.bias + s.alpha * sums[c];
}

void normalise_pixel(const LrnShape& s, const float* x, float* y) {
  for (int64_t first = 0; first < s.channels; first += kBlock) {
    const int64_t n = std::min(kBlock, s.channels - first);
    float base[kBlock];
    if (s.radius <= kNarrow) {
      add_narrow_windows(s, first, n, x, base);
      divide_by_powers(n, s.beta, x + first, base, y + first);
      continue;
    }
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
  for (int64_t p = 0; p < count; ++p) normalise_pixel(s, src + p * s.channels, dst + p * s.channels);
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
