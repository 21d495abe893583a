// SPDX-License-Identifier: Apache-2.0
#include "kernels/outer_products.h"

#include <algorithm>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/outer_products.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four lines of the result by two vectors: eight accumulators hide the latency of the multiply-adds.
constexpr int64_t kLines = 4;

void add_element(const float* rows, int64_t count, int64_t columns, float* sums, int64_t i, int64_t j) {
  float sum = 0.0f;
  for (int64_t r = 0; r < count; ++r) sum += rows[r * columns + i] * rows[r * columns + j];
  sums[i * columns + j] += sum;
}

// Lines i .. i + 3, columns j .. j + 2 vectors.
template <class DF>
HWY_INLINE void add_tile(DF df, const float* rows, int64_t count, int64_t columns, float* sums, int64_t i, int64_t j) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  auto a0 = hn::Zero(df), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (int64_t r = 0; r < count; ++r) {
    const float* row = rows + r * columns;
    const auto x0 = hn::LoadU(df, row + j), x1 = hn::LoadU(df, row + j + lanes);
    const auto a = hn::Set(df, row[i]), b = hn::Set(df, row[i + 1]);
    const auto c = hn::Set(df, row[i + 2]), d = hn::Set(df, row[i + 3]);
    a0 = hn::MulAdd(a, x0, a0);
    a1 = hn::MulAdd(a, x1, a1);
    b0 = hn::MulAdd(b, x0, b0);
    b1 = hn::MulAdd(b, x1, b1);
    c0 = hn::MulAdd(c, x0, c0);
    c1 = hn::MulAdd(c, x1, c1);
    d0 = hn::MulAdd(d, x0, d0);
    d1 = hn::MulAdd(d, x1, d1);
  }
  const auto store = [&](int64_t line, auto low, auto high) {
    float* to = sums + (i + line) * columns + j;
    hn::StoreU(hn::Add(hn::LoadU(df, to), low), df, to);
    hn::StoreU(hn::Add(hn::LoadU(df, to + lanes), high), df, to + lanes);
  };
  store(0, a0, a1);
  store(1, b0, b1);
  store(2, c0, c1);
  store(3, d0, d1);
}

// Lines [begin, end), which are whole fours except at the matrix's end.
void add_lines(const float* rows, int64_t count, int64_t columns, float* sums, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> df;
  const int64_t width = 2 * static_cast<int64_t>(hn::Lanes(df));
  for (int64_t i = begin; i < end; i += kLines) {
    const int64_t last = std::min(i + kLines, end);
    int64_t j = 0;
    if (last == i + kLines) {
      for (; j < last && j + width <= columns; j += width) add_tile(df, rows, count, columns, sums, i, j);
    }
    for (int64_t line = i; line < last; ++line) {
      for (int64_t k = j; k <= line; ++k) add_element(rows, count, columns, sums, line, k);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {

HWY_EXPORT(add_lines);

void add_outer_products(const float* rows, int64_t count, int64_t columns, float* sums, int threads) {
  constexpr int64_t kUnit = 4;
  const int64_t units = (columns + kUnit - 1) / kUnit;
  const double ns = 0.03 * static_cast<double>(count) * static_cast<double>(columns) * static_cast<double>(columns);
  // Later lines are longer: each part takes a line group from the front and its mirror from the back.
  const int64_t pairs = (units + 1) / 2;
  const auto lines = [&](int64_t unit) {
    HWY_DYNAMIC_DISPATCH(add_lines)
    (rows, count, columns, sums, unit * kUnit, std::min((unit + 1) * kUnit, columns));
  };
  parallel_ranges(pairs, useful_threads(threads, ns, pairs), [&](int64_t begin, int64_t end, int) {
    for (int64_t pair = begin; pair < end; ++pair) {
      lines(pair);
      if (units - 1 - pair != pair) lines(units - 1 - pair);
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
