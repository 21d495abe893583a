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

// Between the parts, which would lie on the same lines of the cache, and whose stores would be taken for each other's loads.
inline constexpr int64_t kApart = 80;

// Real and imaginary parts of the rows' complex numbers, number k of row r at k * kRows + r.
struct Parts {
  float* re;
  float* im;
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::CappedTag<float, kRows>;

// Stockham's transform (sorted without bit reversal) of n complex numbers per row. Gives the pair that holds the result.
Parts transform(const RfftPlan& plan, Parts from, Parts to) {
  const DF d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float *w_re = plan.stage_re.data(), *w_im = plan.stage_im.data();
  for (int64_t n = plan.length / 2, stride = kRows; n > 1; n /= 2, stride *= 2) {
    const int64_t half = n / 2;
    for (int64_t p = 0; p < half; ++p) {
      const auto c = hn::Set(d, w_re[p]), s = hn::Set(d, w_im[p]);
      const float *a_re = from.re + p * stride, *a_im = from.im + p * stride;
      const float *b_re = a_re + half * stride, *b_im = a_im + half * stride;
      float *y_re = to.re + 2 * p * stride, *y_im = to.im + 2 * p * stride;
      for (int64_t q = 0; q < stride; q += lanes) {
        const auto ar = hn::LoadU(d, a_re + q), ai = hn::LoadU(d, a_im + q);
        const auto br = hn::LoadU(d, b_re + q), bi = hn::LoadU(d, b_im + q);
        const auto dr = hn::Sub(ar, br), di = hn::Sub(ai, bi);
        hn::StoreU(hn::Add(ar, br), d, y_re + q);
        hn::StoreU(hn::Add(ai, bi), d, y_im + q);
        hn::StoreU(hn::NegMulAdd(di, s, hn::Mul(dr, c)), d, y_re + stride + q);
        hn::StoreU(hn::MulAdd(di, c, hn::Mul(dr, s)), d, y_im + stride + q);
      }
    }
    w_re += half;
    w_im += half;
    std::swap(from, to);
  }
  return from;
}

// Even and odd numbers of the rows as real and imaginary parts. Rows are read a line of the cache at a time: their numbers
// go to places that lie a line apart.
void load(const RfftPlan& plan, int64_t rows, int64_t size, const float* src, Parts to) {
  constexpr int64_t kPairs = 8;
  const int64_t n = plan.length / 2;
  for (int64_t first = 0; first < n; first += kPairs) {
    const int64_t last = std::min(first + kPairs, n);
    for (int64_t r = 0; r < kRows; ++r) {
      const float* x = src + std::min(r, rows - 1) * size;
      if (2 * last <= size) {
        for (int64_t k = first; k < last; ++k) {
          to.re[k * kRows + r] = x[2 * k];
          to.im[k * kRows + r] = x[2 * k + 1];
        }
        continue;
      }
      for (int64_t k = first; k < last; ++k) {
        to.re[k * kRows + r] = 2 * k < size ? x[2 * k] : 0.0f;
        to.im[k * kRows + r] = 2 * k + 1 < size ? x[2 * k + 1] : 0.0f;
      }
    }
  }
}

// Number k of the rows' transforms out of those of their halves.
HWY_INLINE void split_one(const RfftPlan& plan, int64_t k, Parts z, float* re, float* im) {
  const DF d;
  const int64_t n = plan.length / 2, a = k % n * kRows, b = (n - k) % n * kRows;
  const auto half = hn::Set(d, 0.5f);
  const auto c = hn::Set(d, plan.split_re[static_cast<size_t>(k)]),
             s = hn::Set(d, plan.split_im[static_cast<size_t>(k)]);
  for (int64_t r = 0; r < kRows; r += static_cast<int64_t>(hn::Lanes(d))) {
    const auto ar = hn::LoadU(d, z.re + a + r), ai = hn::LoadU(d, z.im + a + r);
    const auto br = hn::LoadU(d, z.re + b + r), bi = hn::LoadU(d, z.im + b + r);
    const auto even_re = hn::Mul(half, hn::Add(ar, br)), even_im = hn::Mul(half, hn::Sub(ai, bi));
    const auto odd_re = hn::Mul(half, hn::Add(ai, bi)), odd_im = hn::Mul(half, hn::Sub(br, ar));
    hn::StoreU(hn::NegMulAdd(odd_im, s, hn::MulAdd(odd_re, c, even_re)), d, re + r);
    hn::StoreU(hn::MulAdd(odd_im, c, hn::MulAdd(odd_re, s, even_im)), d, im + r);
  }
}

void split(const RfftPlan& plan, int64_t rows, Parts z, std::complex<float>* dst) {
  // A line of the cache of each row.
  constexpr int64_t kNumbers = 8;
  const int64_t count = plan.length / 2 + 1;
  alignas(64) float re[kNumbers * kRows], im[kNumbers * kRows];
  for (int64_t first = 0; first < count; first += kNumbers) {
    const int64_t n = std::min(kNumbers, count - first);
    for (int64_t k = 0; k < n; ++k) split_one(plan, first + k, z, re + k * kRows, im + k * kRows);
    for (int64_t r = 0; r < rows; ++r) {
      std::complex<float>* y = dst + r * count + first;
      for (int64_t k = 0; k < n; ++k) y[k] = {re[k * kRows + r], im[k * kRows + r]};
    }
  }
}

// `count` rows (at most kRows) with four parts of scratch memory.
void rfft_rows(const RfftPlan& plan, int64_t count, int64_t size, const float* src, float* scratch,
               std::complex<float>* dst) {
  const int64_t part = plan.length / 2 * kRows + kApart;
  const Parts first{scratch, scratch + part}, second{scratch + 2 * part, scratch + 3 * part};
  load(plan, count, size, src, first);
  split(plan, count, transform(plan, first, second), dst);
}

void abs_block(int64_t n, const float* x, float* dst) {
  int32_t tame = 1;
  for (int64_t i = 0; i < n; ++i) {
    const float re = x[2 * i], im = x[2 * i + 1], square = re * re + im * im;
    tame &= static_cast<int32_t>(square > 1e-30f) & static_cast<int32_t>(square < 1e30f);
    dst[i] = std::sqrt(square);
  }
  if (tame != 0) return;
  for (int64_t i = 0; i < n; ++i) {
    // In double, whose squares of floats do not overflow or vanish.
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

int64_t scratch_floats(const RfftPlan& plan) { return 4 * (plan.length / 2 * kRows + kApart); }

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
  constexpr int64_t kPiece = 1024;
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  parallel_ranges(pieces, useful_threads(threads, static_cast<double>(count), pieces),
                  [&](int64_t begin, int64_t end, int) {
                    for (int64_t piece = begin; piece < end; ++piece) {
                      const int64_t first = piece * kPiece, n = std::min(kPiece, count - first);
                      HWY_DYNAMIC_DISPATCH(abs_block)(n, reinterpret_cast<const float*>(src) + 2 * first, dst + first);
                    }
                  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
