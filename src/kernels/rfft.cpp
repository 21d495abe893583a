// SPDX-License-Identifier: Apache-2.0
#include "kernels/rfft.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rfft.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef TFENGINE_KERNELS_RFFT_ONCE
#define TFENGINE_KERNELS_RFFT_ONCE
namespace tfengine::kernels {

// Rows that are transformed together, side by side: every loop over them is vectors.
inline constexpr int64_t kRows = 16;

// Real and imaginary parts of the rows' complex numbers, number k of row r at k * kRows + r.
struct Parts {
  float* re;
  float* im;
};

}  // namespace tfengine::kernels
#endif

// Plain loops over the rows, which the compiler turns into each instruction set's vectors.
HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

// Stockham's transform (sorted without bit reversal) of n complex numbers per row. Gives the pair that holds the result.
Parts transform(const RfftPlan& plan, Parts from, Parts to) {
  const float *w_re = plan.stage_re.data(), *w_im = plan.stage_im.data();
  for (int64_t n = plan.length / 2, stride = kRows; n > 1; n /= 2, stride *= 2) {
    const int64_t half = n / 2;
    for (int64_t p = 0; p < half; ++p) {
      const float c = w_re[p], s = w_im[p];
      const float *a_re = from.re + p * stride, *a_im = from.im + p * stride;
      const float *b_re = a_re + half * stride, *b_im = a_im + half * stride;
      float *y_re = to.re + 2 * p * stride, *y_im = to.im + 2 * p * stride;
      for (int64_t q = 0; q < stride; ++q) {
        const float d_re = a_re[q] - b_re[q], d_im = a_im[q] - b_im[q];
        y_re[q] = a_re[q] + b_re[q];
        y_im[q] = a_im[q] + b_im[q];
        y_re[stride + q] = d_re * c - d_im * s;
        y_im[stride + q] = d_re * s + d_im * c;
      }
    }
    w_re += half;
    w_im += half;
    std::swap(from, to);
  }
  return from;
}

// Even and odd numbers of the rows as real and imaginary parts.
void load(const RfftPlan& plan, int64_t rows, int64_t size, const float* src, Parts to) {
  const int64_t n = plan.length / 2;
  for (int64_t r = 0; r < kRows; ++r) {
    const float* x = src + std::min(r, rows - 1) * size;
    for (int64_t k = 0; k < n; ++k) {
      to.re[k * kRows + r] = 2 * k < size ? x[2 * k] : 0.0f;
      to.im[k * kRows + r] = 2 * k + 1 < size ? x[2 * k + 1] : 0.0f;
    }
  }
}

// The transform of the real rows out of that of their halves.
void split(const RfftPlan& plan, int64_t rows, Parts z, std::complex<float>* dst) {
  const int64_t n = plan.length / 2;
  for (int64_t k = 0; k <= n; ++k) {
    const int64_t a = k % n * kRows, b = (n - k) % n * kRows;
    const float c = plan.split_re[static_cast<size_t>(k)], s = plan.split_im[static_cast<size_t>(k)];
    float re[kRows], im[kRows];
    for (int64_t r = 0; r < kRows; ++r) {
      const float even_re = 0.5f * (z.re[a + r] + z.re[b + r]), even_im = 0.5f * (z.im[a + r] - z.im[b + r]);
      const float odd_re = 0.5f * (z.im[a + r] + z.im[b + r]), odd_im = 0.5f * (z.re[b + r] - z.re[a + r]);
      re[r] = even_re + odd_re * c - odd_im * s;
      im[r] = even_im + odd_re * s + odd_im * c;
    }
    for (int64_t r = 0; r < rows; ++r) dst[r * (n + 1) + k] = {re[r], im[r]};
  }
}

// `count` rows (at most kRows) with four parts of scratch memory.
void rfft_rows(const RfftPlan& plan, int64_t count, int64_t size, const float* src, float* scratch,
               std::complex<float>* dst) {
  const int64_t part = plan.length / 2 * kRows;
  const Parts first{scratch, scratch + part}, second{scratch + 2 * part, scratch + 3 * part};
  load(plan, count, size, src, first);
  split(plan, count, transform(plan, first, second), dst);
}

void abs_block(int64_t n, const float* x, float* dst) {
  for (int64_t i = 0; i < n; ++i) {
    // In double, whose squares of floats do not overflow.
    const double re = x[2 * i], im = x[2 * i + 1];
    dst[i] = static_cast<float>(std::sqrt(re * re + im * im));
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(rfft_rows);
HWY_EXPORT(abs_block);

int64_t scratch_floats(const RfftPlan& plan) { return 4 * plan.length / 2 * kRows; }

}  // namespace

RfftPlan rfft_plan(int64_t length) {
  RfftPlan plan;
  plan.length = length;
  const auto add = [](std::vector<float>& re, std::vector<float>& im, int64_t k, int64_t n) {
    const double angle = -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    re.push_back(static_cast<float>(std::cos(angle)));
    im.push_back(static_cast<float>(std::sin(angle)));
  };
  for (int64_t n = length / 2; n > 1; n /= 2) {
    for (int64_t p = 0; p < n / 2; ++p) add(plan.stage_re, plan.stage_im, p, n);
  }
  for (int64_t k = 0; k <= length / 2; ++k) add(plan.split_re, plan.split_im, k, length);
  return plan;
}

size_t rfft_workspace_bytes(const RfftPlan& plan, int threads) {
  return static_cast<size_t>(scratch_floats(plan)) * sizeof(float) * static_cast<size_t>(threads);
}

void rfft(const RfftPlan& plan, int64_t rows, int64_t size, const float* src, std::complex<float>* dst, void* workspace,
          int threads) {
  const int64_t groups = (rows + kRows - 1) / kRows, n = plan.length / 2;
  const double ns = static_cast<double>(rows * plan.length) * 1.5;
  parallel_ranges(groups, useful_threads(threads, ns, groups), [&](int64_t begin, int64_t end, int thread) {
    float* scratch = static_cast<float*>(workspace) + thread * scratch_floats(plan);
    for (int64_t g = begin; g < end; ++g) {
      HWY_DYNAMIC_DISPATCH(rfft_rows)
      (plan, std::min(kRows, rows - g * kRows), size, src + g * kRows * size, scratch, dst + g * kRows * (n + 1));
    }
  });
}

void complex_abs(int64_t count, const std::complex<float>* src, float* dst, int threads) {
  constexpr int64_t kPiece = 4096;
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  parallel_ranges(pieces, useful_threads(threads, static_cast<double>(count), pieces),
                  [&](int64_t begin, int64_t end, int) {
                    const int64_t first = begin * kPiece, last = std::min(end * kPiece, count);
                    HWY_DYNAMIC_DISPATCH(abs_block)
                    (last - first, reinterpret_cast<const float*>(src) + 2 * first, dst + first);
                  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
