// SPDX-License-Identifier: Apache-2.0
#include "kernels/lrn.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

constexpr int64_t kBlock = 256;  // channels whose sums are kept at once
constexpr int64_t kPiece = 8192;

// x / base^beta; the exponents that networks have need no logarithm.
void divide_by_powers(int64_t n, float beta, const float* x, const float* base, float* y) {
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

}  // namespace

void lrn_f32(const LrnShape& s, const float* src, float* dst, int threads) {
  const double ns = static_cast<double>(s.pixels * s.channels) * (2.0 + 0.2 * static_cast<double>(s.radius));
  parallel_ranges(s.pixels, useful_threads(threads, ns, s.pixels), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) normalise_pixel(s, src + p * s.channels, dst + p * s.channels);
  });
}

int64_t square_sum_partials(int64_t count) { return std::max<int64_t>((count + kPiece - 1) / kPiece, 1); }

double square_sum(int64_t count, const float* src, double* partials, int threads) {
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  const auto add_up = [&](int64_t piece) {
    const float* x = src + piece * kPiece;
    const int64_t n = std::min(kPiece, count - piece * kPiece);
    // Eight sums at once: additions do not wait for each other.
    double sums[8] = {};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      for (int k = 0; k < 8; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
    }
    for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
    double total = 0.0;
    for (const double sum : sums) total += sum;
    partials[piece] = total;
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
