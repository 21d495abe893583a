// SPDX-License-Identifier: Apache-2.0
// Keys and values of a head are packed into panels of columns, keys transposed, once for all rows that a thread has of it. A
// few rows of scores are then summed, turned into probabilities and multiplied with the values. Rows are divided by their
// sums at the end: results have fewer elements than scores.
#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/attention_layout.h"
#include "kernels/eltwise_math-inl.h"
#include "kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A panel has as many columns as a tile of rows_of_floats.
constexpr int kPanelVecs = kFloatLanes >= 16 ? 2 : kFloatVecs;
constexpr int64_t kPanel = int64_t{kPanelVecs} * kFloatLanes;
static_assert(kAttentionPanel % kPanel == 0);

// `count` keys become the columns of panels: [panel][depth][kPanel]. Columns that are missing stay as they are.
void pack_keys(const float* keys, int64_t count, int64_t stride, int64_t depth, float* panels) {
  const hn::FixedTag<float, 4> d;
  for (int64_t first = 0; first < count; first += kPanel, panels += depth * kPanel) {
    const int64_t size = std::min(kPanel, count - first);
    const float* src = keys + first * stride;
    int64_t c = 0;
    for (; c + 4 <= size; c += 4, src += 4 * stride) {
      int64_t i = 0;
      for (; i + 4 <= depth; i += 4) {
        const auto k0 = hn::LoadU(d, src + i), k1 = hn::LoadU(d, src + stride + i);
        const auto k2 = hn::LoadU(d, src + 2 * stride + i), k3 = hn::LoadU(d, src + 3 * stride + i);
        const auto low_even = hn::InterleaveLower(d, k0, k2), low_odd = hn::InterleaveLower(d, k1, k3);
        const auto high_even = hn::InterleaveUpper(d, k0, k2), high_odd = hn::InterleaveUpper(d, k1, k3);
        float* dst = panels + i * kPanel + c;
        hn::StoreU(hn::InterleaveLower(d, low_even, low_odd), d, dst);
        hn::StoreU(hn::InterleaveUpper(d, low_even, low_odd), d, dst + kPanel);
        hn::StoreU(hn::InterleaveLower(d, high_even, high_odd), d, dst + 2 * kPanel);
        hn::StoreU(hn::InterleaveUpper(d, high_even, high_odd), d, dst + 3 * kPanel);
      }
      for (; i < depth; ++i) {
        for (int64_t j = 0; j < 4; ++j) panels[i * kPanel + c + j] = src[j * stride + i];
      }
    }
    for (; c < size; ++c, src += stride) {
      for (int64_t i = 0; i < depth; ++i) panels[i * kPanel + c] = src[i];
    }
  }
}

// `count` rows of `width` values as panels: [panel][count][kPanel].
void pack_values(const float* values, int64_t count, int64_t stride, int64_t width, float* panels) {
  for (int64_t first = 0; first < width; first += kPanel) {
    const int64_t size = std::min(kPanel, width - first);
    for (int64_t r = 0; r < count; ++r, panels += kPanel) std::copy_n(values + r * stride + first, size, panels);
  }
}

// A row of scores becomes e^(scale * score + mask - the largest); returns the sum. The row has room for whole vectors.
float exponentials(float* row, int64_t count, float scale, const float* mask) {
  const FloatTag d;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const int64_t whole = count / kFloatLanes * kFloatLanes;
  const auto factor = hn::Set(d, scale);
  auto most = hn::Set(d, kLowest);
  for (int64_t i = 0; i < whole; i += kFloatLanes) {
    const auto add = mask == nullptr ? hn::Zero(d) : hn::LoadU(d, mask + i);
    const auto x = hn::MulAdd(hn::LoadU(d, row + i), factor, add);
    hn::StoreU(x, d, row + i);
    most = hn::Max(most, x);
  }
  float largest = hn::GetLane(hn::MaxOfLanes(d, most));
  for (int64_t i = whole; i < count; ++i) {
    row[i] = row[i] * scale + (mask == nullptr ? 0.0f : mask[i]);
    largest = std::max(largest, row[i]);
  }
  const auto top = hn::Set(d, largest);
  auto sums = hn::Zero(d);
  for (int64_t i = 0; i < whole; i += kFloatLanes) {
    const auto e = fast_exp(d, hn::Sub(hn::LoadU(d, row + i), top));
    hn::StoreU(e, d, row + i);
    sums = hn::Add(sums, e);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (int64_t i = whole; i < count; ++i) {
    row[i] = hn::GetLane(fast_exp(d, hn::Set(d, row[i] - largest)));
    sum += row[i];
  }
  return sum;
}

// Rows [begin, end) of the product of `left`, `steps` values a row, and the panels; results of panel p at its columns.
void multiply(int64_t rows, const float* left, int64_t left_stride, int64_t steps, const float* panels, int64_t columns,
              float* sums, int64_t sum_stride) {
  for (int64_t column = 0; column < columns; column += kPanel, panels += steps * kPanel) {
    rows_of_floats<kPanelVecs>(rows, {left, left_stride, steps, panels, sums + column, sum_stride, kFloatLanes});
  }
}

void store_scaled(const float* src, float factor, int64_t count, float* dst) {
  const FloatTag d;
  const auto f = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + kFloatLanes <= count; i += kFloatLanes) hn::StoreU(hn::Mul(hn::LoadU(d, src + i), f), d, dst + i);
  for (; i < count; ++i) dst[i] = src[i] * factor;
}

// Rows [begin, end) of one head of one sample.
void attend(const AttentionShape& s, const AttentionSources& at, int64_t begin, int64_t end,
            const AttentionScratch& scratch) {
  const int64_t score_stride = padded_columns(s.columns), result_stride = padded_columns(s.width);
  for (int64_t row = begin; row < end; row += kAttentionRows) {
    const int64_t rows = std::min(kAttentionRows, end - row);
    multiply(rows, at.q + row * s.q_stride, s.q_stride, s.depth, scratch.keys, s.columns, scratch.scores, score_stride);
    float sums[kAttentionRows];
    for (int64_t r = 0; r < rows; ++r) {
      const float* mask = at.mask == nullptr ? nullptr : at.mask + (row + r) * s.mask_row_stride;
      sums[r] = exponentials(scratch.scores + r * score_stride, s.columns, s.scale, mask);
    }
    multiply(rows, scratch.scores, score_stride, s.columns, scratch.values, s.width, scratch.results, result_stride);
    for (int64_t r = 0; r < rows; ++r) {
      store_scaled(scratch.results + r * result_stride, 1.0f / sums[r], s.width, at.dst + (row + r) * s.dst_stride);
    }
  }
}

void pack(const AttentionShape& s, const AttentionSources& at, const AttentionScratch& scratch) {
  pack_keys(at.k, s.columns, s.k_stride, s.depth, scratch.keys);
  pack_values(at.v, s.columns, s.v_stride, s.width, scratch.values);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(attend);
HWY_EXPORT(pack);

size_t scratch_floats(const AttentionShape& s) {
  return static_cast<size_t>(padded_columns(s.columns) * s.depth + padded_columns(s.width) * s.columns +
                             kAttentionRows * (padded_columns(s.columns) + padded_columns(s.width)));
}

AttentionScratch scratch_of(const AttentionShape& s, float* memory) {
  AttentionScratch scratch;
  scratch.keys = memory;
  scratch.values = scratch.keys + padded_columns(s.columns) * s.depth;
  scratch.scores = scratch.values + padded_columns(s.width) * s.columns;
  scratch.results = scratch.scores + kAttentionRows * padded_columns(s.columns);
  return scratch;
}

}  // namespace

size_t attention_workspace_bytes(const AttentionShape& shape, int threads) {
  return static_cast<size_t>(std::max(threads, 1)) * scratch_floats(shape) * sizeof(float);
}

void attention_f32(const AttentionShape& s, const float* q, const float* k, const float* v, const float* mask,
                   float* dst, void* workspace, int threads) {
  // Two multiply-adds of 8 values in 1 ns, on the slowest CPUs that matter.
  const double ns = static_cast<double>(s.batch * s.heads * s.rows * s.columns * (s.depth + s.width)) / 16.0;
  const int64_t units = s.batch * s.heads * s.rows;
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int thread) {
    const AttentionScratch scratch =
        scratch_of(s, static_cast<float*>(workspace) + static_cast<size_t>(thread) * scratch_floats(s));
    while (begin < end) {
      const int64_t head = begin / s.rows, first = begin % s.rows;
      const int64_t rows = std::min(s.rows - first, end - begin);
      const int64_t b = head / s.heads, h = head % s.heads;
      AttentionSources at;
      at.q = q + b * s.rows * s.q_stride + h * s.depth;
      at.k = k + b * s.columns * s.k_stride + h * s.depth;
      at.v = v + b * s.columns * s.v_stride + h * s.width;
      at.dst = dst + b * s.rows * s.dst_stride + h * s.width;
      if (mask != nullptr) at.mask = mask + b * s.mask_batch_stride + h * s.mask_head_stride;
      HWY_DYNAMIC_DISPATCH(pack)(s, at, scratch);
      HWY_DYNAMIC_DISPATCH(attend)(s, at, first, first + rows, scratch);
      begin += rows;
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
