// SPDX-License-Identifier: Apache-2.0
// Axes are merged into alternating kept and reduced ones. If the innermost is reduced, each result is a run summed in
// vectors; if it is kept, runs of results are combined with runs of the source.
#include "kernels/reduce.h"

#include <algorithm>
#include <limits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;

template <class V>
HWY_INLINE V combine(ReduceKind kind, V a, V b) {
  switch (kind) {
    case ReduceKind::Max:
      return hn::Max(a, b);
    case ReduceKind::Min:
      return hn::Min(a, b);
    case ReduceKind::Prod:
      return hn::Mul(a, b);
    case ReduceKind::Sum:
    case ReduceKind::Mean:
      break;
  }
  return hn::Add(a, b);
}

HWY_INLINE float combine_one(ReduceKind kind, float a, float b) {
  const hn::CappedTag<float, 1> d1;
  return hn::GetLane(combine(kind, hn::Set(d1, a), hn::Set(d1, b)));
}

// Combines a run with `start`. Sums of long runs are formed from parts of 4096, so that rounding errors do not grow with
// the length of the run but with that of a part.
float reduce_run(ReduceKind kind, const float* src, int64_t n, float neutral, float start) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  constexpr int64_t kPart = 4096;
  for (int64_t first = 0; first < n; first += kPart) {
    const int64_t end = std::min(first + kPart, n);
    auto r0 = hn::Set(df, neutral), r1 = r0;
    int64_t i = first;
    for (; i + 2 * lanes <= end; i += 2 * lanes) {
      r0 = combine(kind, r0, hn::LoadU(df, src + i));
      r1 = combine(kind, r1, hn::LoadU(df, src + i + lanes));
    }
    HWY_ALIGN float all[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(combine(kind, r0, r1), df, all);
    for (int64_t k = 1; k < lanes; ++k) all[0] = combine_one(kind, all[0], all[k]);
    for (; i < end; ++i) all[0] = combine_one(kind, all[0], src[i]);
    start = combine_one(kind, start, all[0]);
  }
  return start;
}

// dst[i] = combine(dst[i], src[i]).
void reduce_onto(ReduceKind kind, const float* src, int64_t n, float* dst) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(combine(kind, hn::LoadU(df, dst + i), hn::LoadU(df, src + i)), df, dst + i);
  for (; i < n; ++i) dst[i] = combine_one(kind, dst[i], src[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(reduce_run);
HWY_EXPORT(reduce_onto);

float neutral_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::Max:
      return -std::numeric_limits<float>::infinity();
    case ReduceKind::Min:
      return std::numeric_limits<float>::infinity();
    case ReduceKind::Prod:
      return 1.0f;
    case ReduceKind::Sum:
    case ReduceKind::Mean:
      break;
  }
  return 0.0f;
}

// Merged axes: outer kept ones that give the results' rows, then reduced ones, and the run at the end.
struct Axes {
  int rank = 0;
  int64_t dims[8], strides[8];
  bool reduced[8];
};

Axes merge_axes(const ReduceShape& s) {
  Axes a;
  int64_t stride[8], step = 1;
  for (int i = s.rank - 1; i >= 0; --i) {
    stride[i] = step;
    step *= s.dims[i];
  }
  for (int i = 0; i < s.rank; ++i) {
    if (s.dims[i] == 1) continue;
    if (a.rank > 0 && a.reduced[a.rank - 1] == s.reduced[i]) {
      a.dims[a.rank - 1] *= s.dims[i];
      a.strides[a.rank - 1] = stride[i];
      continue;
    }
    a.dims[a.rank] = s.dims[i];
    a.strides[a.rank] = stride[i];
    a.reduced[a.rank++] = s.reduced[i];
  }
  return a;
}

// Offset in src of the index-th combination of the axes that are (not) reduced, without the innermost axis if skip_last.
int64_t offset_of(const Axes& a, bool reduced, bool skip_last, int64_t index) {
  int64_t at = 0;
  for (int k = a.rank - 1 - (skip_last ? 1 : 0); k >= 0; --k) {
    if (a.reduced[k] != reduced) continue;
    at += index % a.dims[k] * a.strides[k];
    index /= a.dims[k];
  }
  return at;
}

}  // namespace

void reduce_f32(ReduceKind kind, const ReduceShape& shape, const float* src, float* dst, int threads) {
  int64_t kept = 1, folded = 1;
  for (int i = 0; i < shape.rank; ++i) (shape.reduced[i] ? folded : kept) *= shape.dims[i];
  if (kept == 0) return;
  if (folded == 0) {
    std::fill_n(dst, kept, kind == ReduceKind::Mean ? std::numeric_limits<float>::quiet_NaN() : neutral_of(kind));
    return;
  }
  const Axes a = merge_axes(shape);
  const bool inner_reduced = a.rank > 0 && a.reduced[a.rank - 1];
  const int64_t run = a.rank > 0 ? a.dims[a.rank - 1] : 1;
  const float neutral = neutral_of(kind);
  const float factor = kind == ReduceKind::Mean ? 1.0f / static_cast<float>(folded) : 1.0f;
  const double ns = 0.3 * static_cast<double>(kept * folded);
  if (inner_reduced) {
    parallel_ranges(kept, useful_threads(threads, ns, kept), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t base = offset_of(a, false, false, i);
        float r = neutral;
        for (int64_t k = 0; k < folded / run; ++k) {
          r = HWY_DYNAMIC_DISPATCH(reduce_run)(kind, src + base + offset_of(a, true, true, k), run, neutral, r);
        }
        dst[i] = r * factor;
      }
    });
    return;
  }
  // The run of results is cut so that it stays in the first-level cache, and so that threads can share one run.
  constexpr int64_t kPiece = 1024;
  const int64_t pieces = (run + kPiece - 1) / kPiece;
  const int64_t units = kept / run * pieces;
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kPiece, n = std::min(kPiece, run - first);
      const float* from = src + offset_of(a, false, true, i / pieces) + first;
      float* to = dst + i / pieces * run + first;
      std::fill_n(to, n, neutral);
      for (int64_t k = 0; k < folded; ++k) {
        HWY_DYNAMIC_DISPATCH(reduce_onto)(kind, from + offset_of(a, true, true, k), n, to);
      }
      if (kind == ReduceKind::Mean) {
        for (int64_t k = 0; k < n; ++k) to[k] *= factor;
      }
    }
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
