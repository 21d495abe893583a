// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <algorithm>
#include <cstring>

#include "kernels/eltwise_block.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/epilogue_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
HWY_INLINE void requantize_as(int64_t n, const T* HWY_RESTRICT src, float factor, float zero, float low_edge,
                              float high_edge, uint8_t* HWY_RESTRICT dst) {
  const hn::ScalableTag<float> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);
  const auto f = hn::Set(df, factor), z = hn::Set(df, zero), low = hn::Set(df, low_edge), high = hn::Set(df, high_edge);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store_bytes(df, hn::MulAdd(load_as_float(df, src + i), f, z), low, high, dst + i);
  if (i == n) return;
  HWY_ALIGN uint8_t rest[kMaxLanes];
  store_bytes(df, hn::MulAdd(load_tail(df, src + i, n - i), f, z), low, high, rest);
  std::memcpy(dst + i, rest, static_cast<size_t>(n - i));
}

void requantize_run(int64_t n, bool src_signed, const uint8_t* src, float factor, float zero, float low, float high,
                    uint8_t* dst) {
  if (src_signed) {
    requantize_as(n, reinterpret_cast<const int8_t*>(src), factor, zero, low, high, dst);
  } else {
    requantize_as(n, src, factor, zero, low, high, dst);
  }
}

// Rounds the 16 bits that are dropped: adds half of the last kept bit, less one if that bit is 0 (ties to even). A NaN gets
// a mantissa bit that survives.
void to_bf16_run(int64_t n, const float* HWY_RESTRICT src, uint16_t* HWY_RESTRICT dst) {
  const hn::ScalableTag<uint32_t> du;
  const hn::Rebind<uint16_t, decltype(du)> d16;
  const hn::RebindToFloat<decltype(du)> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(du));
  const auto value = [&](hn::Vec<decltype(df)> x) HWY_ATTR {
    const auto bits = hn::BitCast(du, x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu)));
    const auto nan = hn::Or(bits, hn::Set(du, 0x00400000u));
    const auto kept = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), nan, rounded);
    return hn::TruncateTo(d16, hn::ShiftRight<16>(kept));
  };
  constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(value(hn::LoadU(df, src + i)), d16, dst + i);
  if (i == n) return;
  HWY_ALIGN uint16_t rest[kMaxLanes];
  hn::StoreU(value(load_tail(df, src + i, n - i)), d16, rest);
  std::memcpy(dst + i, rest, static_cast<size_t>(n - i) * 2);
}

void from_bf16_run(int64_t n, const uint16_t* HWY_RESTRICT src, float* HWY_RESTRICT dst) {
  const hn::ScalableTag<uint32_t> du;
  const hn::Rebind<uint16_t, decltype(du)> d16;
  const hn::RebindToFloat<decltype(du)> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(du));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::BitCast(df, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(d16, src + i)))), df, dst + i);
  }
  for (; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(src[i]) << 16;
    std::memcpy(dst + i, &bits, 4);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(requantize_run);
HWY_EXPORT(to_bf16_run);
HWY_EXPORT(from_bf16_run);

// Calls f(n, first element of src, first element of dst) for runs that do not cross rows; contiguous rows are one run.
template <class F>
void for_each_run(const Rows& rows, double ns_per_value, int threads, F&& f) {
  const int64_t n = rows.rows * rows.cols;
  if (n <= 0) return;
  const double ns = ns_per_value * static_cast<double>(n);
  if (rows.rows == 1 || (rows.src_stride == rows.cols && rows.dst_stride == rows.cols)) {
    constexpr int64_t kChunk = 4096;
    const int64_t units = (n + kChunk - 1) / kChunk;
    parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
      f(std::min(end * kChunk, n) - begin * kChunk, begin * kChunk, begin * kChunk);
    });
    return;
  }
  parallel_ranges(rows.rows, useful_threads(threads, ns, rows.rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) f(rows.cols, r * rows.src_stride, r * rows.dst_stride);
  });
}

}  // namespace

void quantize_f32(const Rows& rows, const float* src, float inv_scale, Elem dst_elem, void* dst, int threads,
                  float zero) {
  for_each_run(rows, 0.2, threads, [&](int64_t n, int64_t from, int64_t to) {
    block_store(dst_elem, n, src + from, inv_scale, zero, offset(dst_elem, dst, to));
  });
}

void dequantize_to_f32(const Rows& rows, Elem src_elem, const void* src, float scale, float* dst, int threads,
                       float zero) {
  for_each_run(rows, 0.2, threads, [&](int64_t n, int64_t from, int64_t to) {
    block_load(src_elem, n, offset(src_elem, src, from), scale, zero, dst + to);
  });
}

void requantize(const Rows& rows, Elem src_elem, const void* src, float factor, Elem dst_elem, void* dst, int threads,
                float zero) {
  const float low = dst_elem == Elem::S8 ? -128.0f : 0.0f, high = dst_elem == Elem::S8 ? 127.0f : 255.0f;
  for_each_run(rows, 0.15, threads, [&](int64_t n, int64_t from, int64_t to) {
    HWY_DYNAMIC_DISPATCH(requantize_run)
    (n, src_elem == Elem::S8, static_cast<const uint8_t*>(src) + from, factor, zero, low, high,
     static_cast<uint8_t*>(dst) + to);
  });
}

void convert_elem(const Rows& rows, const Format& from, const void* src, const Format& to, void* dst, int threads) {
  const float inv_scale = 1.0f / to.scale;
  if (from.elem == Elem::F32 && to.elem == Elem::F32) {
    copy_rows(4, rows, src, dst, threads);
  } else if (from.elem == Elem::F32) {
    quantize_f32(rows, static_cast<const float*>(src), inv_scale, to.elem, dst, threads, to.zero);
  } else if (to.elem == Elem::F32) {
    dequantize_to_f32(rows, from.elem, src, from.scale, static_cast<float*>(dst), threads, from.zero);
  } else {
    const float factor = from.scale * inv_scale;
    requantize(rows, from.elem, src, factor, to.elem, dst, threads, to.zero - from.zero * factor);
  }
}

void f32_to_bf16(const Rows& rows, const float* src, uint16_t* dst, int threads) {
  for_each_run(rows, 0.2, threads, [&](int64_t n, int64_t from, int64_t to) {
    HWY_DYNAMIC_DISPATCH(to_bf16_run)(n, src + from, dst + to);
  });
}

void bf16_to_f32(const Rows& rows, const uint16_t* src, float* dst, int threads) {
  for_each_run(rows, 0.2, threads, [&](int64_t n, int64_t from, int64_t to) {
    HWY_DYNAMIC_DISPATCH(from_bf16_run)(n, src + from, dst + to);
  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
