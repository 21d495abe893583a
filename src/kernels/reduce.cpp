// SPDX-License-Identifier: Apache-2.0
// Axes are merged into alternating kept and reduced ones. If the innermost is reduced, each result is made of runs; if it is
// kept, runs of results are combined with runs of the source. Few results of much are folded in chunks, whose length does
// not depend on the number of threads, and the chunks' results after that.
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

// f(combine) with the kind's way to combine two vectors of any width.
template <class F>
HWY_INLINE void with_kind(ReduceKind kind, F&& f) {
  switch (kind) {
    case ReduceKind::Max:
      return f([](auto a, auto b) HWY_ATTR { return hn::Max(a, b); });
    case ReduceKind::Min:
      return f([](auto a, auto b) HWY_ATTR { return hn::Min(a, b); });
    case ReduceKind::Prod:
      return f([](auto a, auto b) HWY_ATTR { return hn::Mul(a, b); });
    case ReduceKind::Sum:
    case ReduceKind::Mean:
      break;
  }
  f([](auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
}

template <class Combine>
HWY_INLINE float one(const Combine& combine, float a, float b) {
  const hn::CappedTag<float, 1> d1;
  return hn::GetLane(combine(hn::Set(d1, a), hn::Set(d1, b)));
}

// Eight vectors at once: an addition takes four cycles, and two are begun in each.
template <class Combine>
HWY_INLINE float fold_part(const Combine& combine, const float* src, int64_t n, float neutral) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  auto r0 = hn::Set(df, neutral);
  auto r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0, r6 = r0, r7 = r0;
  int64_t i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) {
    const float* x = src + i;
    r0 = combine(r0, hn::LoadU(df, x));
    r1 = combine(r1, hn::LoadU(df, x + lanes));
    r2 = combine(r2, hn::LoadU(df, x + 2 * lanes));
    r3 = combine(r3, hn::LoadU(df, x + 3 * lanes));
    r4 = combine(r4, hn::LoadU(df, x + 4 * lanes));
    r5 = combine(r5, hn::LoadU(df, x + 5 * lanes));
    r6 = combine(r6, hn::LoadU(df, x + 6 * lanes));
    r7 = combine(r7, hn::LoadU(df, x + 7 * lanes));
  }
  for (; i + lanes <= n; i += lanes) r0 = combine(r0, hn::LoadU(df, src + i));
  HWY_ALIGN float all[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(combine(combine(combine(r0, r1), combine(r2, r3)), combine(combine(r4, r5), combine(r6, r7))), df, all);
  for (int64_t width = lanes / 2; width > 0; width /= 2) {
    for (int64_t k = 0; k < width; ++k) all[k] = one(combine, all[k], all[k + width]);
  }
  for (; i < n; ++i) all[0] = one(combine, all[0], src[i]);
  return all[0];
}

// Combines a run with `start`. Sums of long runs are formed from parts of 4096, so that rounding errors do not grow with
// the length of the run but with that of a part. Products have no such parts: those that fall below the normal numbers,
// where processors are slow, would do so anew in each.
float reduce_run(ReduceKind kind, const float* src, int64_t n, float neutral, float start) {
  const int64_t part = kind == ReduceKind::Prod ? n : 4096;
  with_kind(kind, [&](const auto& combine) HWY_ATTR {
    for (int64_t first = 0; first < n; first += part) {
      start = one(combine, start, fold_part(combine, src + first, std::min(part, n - first), neutral));
    }
  });
  return start;
}

// Folds `rows` rows of Vectors vectors of type D, `stride` elements apart, onto dst.
template <int Vectors, class D, class Combine>
HWY_INLINE void fold_columns(D d, const Combine& combine, const float* src, int64_t rows, int64_t stride, float* dst) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<D> r0 = hn::LoadU(d, dst), r1 = r0, r2 = r0, r3 = r0;
  if constexpr (Vectors == 4) {
    r1 = hn::LoadU(d, dst + lanes);
    r2 = hn::LoadU(d, dst + 2 * lanes);
    r3 = hn::LoadU(d, dst + 3 * lanes);
  }
  for (int64_t k = 0; k < rows; ++k, src += stride) {
    r0 = combine(r0, hn::LoadU(d, src));
    if constexpr (Vectors == 4) {
      r1 = combine(r1, hn::LoadU(d, src + lanes));
      r2 = combine(r2, hn::LoadU(d, src + 2 * lanes));
      r3 = combine(r3, hn::LoadU(d, src + 3 * lanes));
    }
  }
  hn::StoreU(r0, d, dst);
  if constexpr (Vectors == 4) {
    hn::StoreU(r1, d, dst + lanes);
    hn::StoreU(r2, d, dst + 2 * lanes);
    hn::StoreU(r3, d, dst + 3 * lanes);
  }
}

// Four rows of n elements, `stride` apart, onto dst, which stays in the cache.
template <class Combine>
HWY_INLINE void fold_four_rows(const Combine& combine, const float* src, int64_t stride, int64_t n, float* dst) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const float *a = src, *b = a + stride, *c = b + stride, *d = c + stride;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto first = combine(hn::LoadU(df, a + i), hn::LoadU(df, b + i));
    const auto second = combine(hn::LoadU(df, c + i), hn::LoadU(df, d + i));
    hn::StoreU(combine(hn::LoadU(df, dst + i), combine(first, second)), df, dst + i);
  }
  for (; i < n; ++i) {
    dst[i] = one(combine, dst[i], one(combine, one(combine, a[i], b[i]), one(combine, c[i], d[i])));
  }
}

// dst[i] = combine(dst[i], src[i], src[stride + i], ...) for n results and `rows` rows.
void reduce_rows(ReduceKind kind, const float* src, int64_t rows, int64_t stride, int64_t n, float* dst) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  with_kind(kind, [&](const auto& combine) HWY_ATTR {
    int64_t i = 0, k = 0;
    // Few results lie in registers while the rows go by; many would have to be read in leaps.
    if (n <= 16 * lanes) {
      for (; i + 4 * lanes <= n; i += 4 * lanes) fold_columns<4>(df, combine, src + i, rows, stride, dst + i);
      for (; i + lanes <= n; i += lanes) fold_columns<1>(df, combine, src + i, rows, stride, dst + i);
    } else {
      for (; k + 4 <= rows; k += 4) fold_four_rows(combine, src + k * stride, stride, n, dst);
      for (; i + lanes <= n; i += lanes) fold_columns<1>(df, combine, src + k * stride + i, rows - k, stride, dst + i);
      if (k > 0) {
        for (; i < n; ++i) {
          for (int64_t row = k; row < rows; ++row) dst[i] = one(combine, dst[i], src[row * stride + i]);
        }
        return;
      }
    }
    const hn::CappedTag<float, 4> d4;
    const int64_t few = static_cast<int64_t>(hn::Lanes(d4));
    for (; i + few <= n; i += few) fold_columns<1>(d4, combine, src + i, rows, stride, dst + i);
    const hn::CappedTag<float, 1> d1;
    for (; i < n; ++i) fold_columns<1>(d1, combine, src + i, rows, stride, dst + i);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(reduce_run);
HWY_EXPORT(reduce_rows);

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
  // A run of one element, where there is none.
  if (a.rank == 0) a.rank = 1, a.dims[0] = a.strides[0] = 1, a.reduced[0] = false;
  return a;
}

// Offset in src of the index-th combination of the axes before `end` that are (not) reduced.
int64_t offset_of(const Axes& a, bool reduced, int end, int64_t index) {
  int64_t at = 0;
  for (int k = end - 1; k >= 0; --k) {
    if (a.reduced[k] != reduced) continue;
    at += index % a.dims[k] * a.strides[k];
    index /= a.dims[k];
  }
  return at;
}

struct Reduction {
  ReduceKind kind;
  Axes axes;
  int64_t kept, folded;
  float neutral, factor;
  double ns;
  int threads;
};

// Below this a chunk is not worth its bookkeeping.
constexpr int64_t kChunk = 32768;
// Results that need no chunks: there are enough for the threads.
constexpr int64_t kManyResults = 32;
constexpr int64_t kMaxChunks = 64;

int64_t chunks_of(const Reduction& r, int64_t units, int64_t elements_per_unit) {
  if (units >= kManyResults) return 1;
  // Each chunk of a product may pass through the numbers below the normal ones.
  const int64_t most = r.kind == ReduceKind::Prod ? kMaxChunks / 8 : kMaxChunks;
  return std::clamp<int64_t>(elements_per_unit / kChunk, 1, std::max<int64_t>(most / units, 1));
}

// Elements [begin, end) of those that result i is made of.
float fold_inner(const Reduction& r, const float* src, int64_t i, int64_t begin, int64_t end) {
  const int last = r.axes.rank - 1;
  const int64_t run = r.axes.dims[last], base = offset_of(r.axes, false, r.axes.rank, i);
  float total = r.neutral;
  for (int64_t at = begin; at < end;) {
    const int64_t in_run = at % run, n = std::min(run - in_run, end - at);
    total = HWY_DYNAMIC_DISPATCH(reduce_run)(r.kind, src + base + offset_of(r.axes, true, last, at / run) + in_run, n,
                                             r.neutral, total);
    at += n;
  }
  return total;
}

// The innermost axis is reduced.
void reduce_inner(const Reduction& r, const float* src, float* dst) {
  const int64_t chunks = chunks_of(r, r.kept, r.folded);
  if (chunks == 1) {
    parallel_ranges(r.kept, useful_threads(r.threads, r.ns, r.kept), [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) dst[i] = fold_inner(r, src, i, 0, r.folded) * r.factor;
    });
    return;
  }
  float parts[kMaxChunks];
  const int64_t units = r.kept * chunks;
  parallel_ranges(units, useful_threads(r.threads, r.ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t u = begin; u < end; ++u) {
      const int64_t c = u % chunks;
      parts[u] = fold_inner(r, src, u / chunks, r.folded * c / chunks, r.folded * (c + 1) / chunks);
    }
  });
  for (int64_t i = 0; i < r.kept; ++i) {
    dst[i] = HWY_DYNAMIC_DISPATCH(reduce_run)(r.kind, parts + i * chunks, chunks, r.neutral, r.neutral) * r.factor;
  }
}

// The run of results is cut so that it stays in the first-level cache, and so that threads can share one run.
constexpr int64_t kPiece = 1024;

// Piece `piece` of the index-th run of results, of rows [begin, end) of those that are folded.
void fold_outer(const Reduction& r, const float* src, int64_t index, int64_t piece, int64_t begin, int64_t end,
                float* to) {
  const int last = r.axes.rank - 1;
  const int64_t first = piece * kPiece, n = std::min(kPiece, r.axes.dims[last] - first);
  const float* from = src + offset_of(r.axes, false, last, index) + first;
  std::fill_n(to, n, r.neutral);
  // Rows of the innermost reduced axis lie at one distance.
  const int64_t rows = last > 0 ? r.axes.dims[last - 1] : 1, stride = last > 0 ? r.axes.strides[last - 1] : 0;
  for (int64_t at = begin; at < end;) {
    const int64_t row = at % rows, count = std::min(rows - row, end - at);
    const float* x = from + offset_of(r.axes, true, last - 1, at / rows) + row * stride;
    HWY_DYNAMIC_DISPATCH(reduce_rows)(r.kind, x, count, stride, n, to);
    at += count;
  }
}

void scale(float factor, int64_t n, float* x) {
  if (factor == 1.0f) return;
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// The innermost axis is kept.
void reduce_outer(const Reduction& r, const float* src, float* dst) {
  const int64_t run = r.axes.dims[r.axes.rank - 1];
  const int64_t pieces = (run + kPiece - 1) / kPiece, units = r.kept / run * pieces;
  const int64_t chunks = std::min(chunks_of(r, units, r.folded * std::min(run, kPiece)), r.folded);
  const auto place = [&](int64_t unit) { return dst + unit / pieces * run + unit % pieces * kPiece; };
  const auto width = [&](int64_t unit) { return std::min(kPiece, run - unit % pieces * kPiece); };
  if (chunks == 1) {
    parallel_ranges(units, useful_threads(r.threads, r.ns, units), [&](int64_t begin, int64_t end, int) {
      for (int64_t u = begin; u < end; ++u) {
        fold_outer(r, src, u / pieces, u % pieces, 0, r.folded, place(u));
        scale(r.factor, width(u), place(u));
      }
    });
    return;
  }
  static_assert(kMaxChunks * kPiece * sizeof(float) <= 256 * 1024, "lies on the stack");
  float parts[kMaxChunks * kPiece];
  parallel_ranges(units * chunks, useful_threads(r.threads, r.ns, units * chunks),
                  [&](int64_t begin, int64_t end, int) {
                    for (int64_t i = begin; i < end; ++i) {
                      const int64_t u = i / chunks, c = i % chunks;
                      fold_outer(r, src, u / pieces, u % pieces, r.folded * c / chunks, r.folded * (c + 1) / chunks,
                                 parts + i * kPiece);
                    }
                  });
  for (int64_t u = 0; u < units; ++u) {
    std::fill_n(place(u), width(u), r.neutral);
    HWY_DYNAMIC_DISPATCH(reduce_rows)(r.kind, parts + u * chunks * kPiece, chunks, kPiece, width(u), place(u));
    scale(r.factor, width(u), place(u));
  }
}

}  // namespace

float reduce_neutral(ReduceKind kind) {
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

float reduce_two(ReduceKind kind, float a, float b) {
  const float pair[] = {a, b};
  return reduce_line(kind, pair, 2);
}

float reduce_line(ReduceKind kind, const float* src, int64_t n) {
  const float neutral = reduce_neutral(kind);
  return HWY_DYNAMIC_DISPATCH(reduce_run)(kind, src, n, neutral, neutral);
}

void reduce_f32(ReduceKind kind, const ReduceShape& shape, const float* src, float* dst, int threads) {
  int64_t kept = 1, folded = 1;
  for (int i = 0; i < shape.rank; ++i) (shape.reduced[i] ? folded : kept) *= shape.dims[i];
  if (kept == 0) return;
  if (folded == 0) {
    std::fill_n(dst, kept, kind == ReduceKind::Mean ? std::numeric_limits<float>::quiet_NaN() : reduce_neutral(kind));
    return;
  }
  const float factor = kind == ReduceKind::Mean ? 1.0f / static_cast<float>(folded) : 1.0f;
  // 0.1 ns per element out of the second-level cache, and a call for every result or piece of results.
  const double ns = 0.1 * static_cast<double>(kept * folded) + 10.0 * static_cast<double>(kept);
  const Reduction r{kind, merge_axes(shape), kept, folded, reduce_neutral(kind), factor, ns, threads};
  r.axes.reduced[r.axes.rank - 1] ? reduce_inner(r, src, dst) : reduce_outer(r, src, dst);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
