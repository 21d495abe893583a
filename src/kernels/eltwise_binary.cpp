// SPDX-License-Identifier: Apache-2.0
// One operation of two tensors. Sums and products of 8-bit tensors have loops of their own here; the rest runs as a
// program of one step.
#include <algorithm>
#include <cstring>

#include "kernels/eltwise.h"
#include "kernels/eltwise_block.h"
#include "kernels/eltwise_clamp.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise_binary.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/epilogue_hwy-inl.h"

#ifndef TFENGINE_KERNELS_ELTWISE_BINARY_ONCE
#define TFENGINE_KERNELS_ELTWISE_BINARY_ONCE
namespace tfengine::kernels {

// Sum: dst = round(a * a_factor + b * b_factor + zero); otherwise dst = round((a - a_zero) * (b - b_zero) * a_factor +
// zero). All in steps of dst, clamped.
struct ByteRow {
  bool sum;
  bool a_signed, b_signed;
  bool b_scalar;
  float a_factor, b_factor;
  float a_zero, b_zero, zero;
  float low, high;
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kSum, class A, class B>
void byte_row_as(const ByteRow& row, int64_t n, const A* a, const B* b, uint8_t* dst) {
  const hn::ScalableTag<float> df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);
  const auto a_factor = hn::Set(df, row.a_factor), b_factor = hn::Set(df, row.b_factor);
  const auto a_zero = hn::Set(df, row.a_zero), b_zero = hn::Set(df, row.b_zero), zero = hn::Set(df, row.zero);
  const auto low = hn::Set(df, row.low), high = hn::Set(df, row.high);
  HWY_ALIGN B repeated[kMaxLanes];
  if (row.b_scalar) std::fill_n(repeated, kMaxLanes, *b);
  const auto one = [&](const A* pa, const B* pb, uint8_t* to) HWY_ATTR {
    const auto x = load_as_float(df, pa);
    const auto y = load_as_float(df, row.b_scalar ? repeated : pb);
    const auto q = kSum ? hn::MulAdd(x, a_factor, hn::MulAdd(y, b_factor, zero))
                        : hn::MulAdd(hn::Mul(hn::Sub(x, a_zero), hn::Sub(y, b_zero)), a_factor, zero);
    store_bytes(df, q, low, high, to);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) one(a + i, b + i, dst + i);
  if (i == n) return;
  HWY_ALIGN A rest_a[kMaxLanes] = {};
  HWY_ALIGN B rest_b[kMaxLanes] = {};
  HWY_ALIGN uint8_t rest[kMaxLanes];
  std::memcpy(rest_a, a + i, static_cast<size_t>(n - i));
  if (!row.b_scalar) std::memcpy(rest_b, b + i, static_cast<size_t>(n - i));
  one(rest_a, rest_b, rest);
  std::memcpy(dst + i, rest, static_cast<size_t>(n - i));
}

template <bool kSum>
void byte_row_signs(const ByteRow& row, int64_t n, const uint8_t* a, const uint8_t* b, uint8_t* dst) {
  const auto* sa = reinterpret_cast<const int8_t*>(a);
  const auto* sb = reinterpret_cast<const int8_t*>(b);
  if (row.a_signed) {
    row.b_signed ? byte_row_as<kSum>(row, n, sa, sb, dst) : byte_row_as<kSum>(row, n, sa, b, dst);
  } else {
    row.b_signed ? byte_row_as<kSum>(row, n, a, sb, dst) : byte_row_as<kSum>(row, n, a, b, dst);
  }
}

void byte_row(const ByteRow& row, int64_t n, const uint8_t* a, const uint8_t* b, uint8_t* dst) {
  row.sum ? byte_row_signs<true>(row, n, a, b, dst) : byte_row_signs<false>(row, n, a, b, dst);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(byte_row);

bool is_byte(Elem e) { return e != Elem::F32; }

// Whether the operation is one that byte_row does, and its constants.
bool byte_row_of(EltwiseOp op, const EltwiseInput& a, const EltwiseInput& b, const EltwiseOutput& output,
                 ByteRow& row) {
  if (!is_byte(a.elem) || !is_byte(b.elem) || !is_byte(output.elem) || !(output.inv_scale > 0)) return false;
  if (op != EltwiseOp::Add && op != EltwiseOp::Sub && op != EltwiseOp::Mul) return false;
  ClampRange range;
  if (!range.narrow(output.act)) return false;
  const ClampSteps steps(range, output.elem, output.inv_scale, output.zero);
  row.sum = op != EltwiseOp::Mul;
  row.a_signed = a.elem == Elem::S8;
  row.b_signed = b.elem == Elem::S8;
  row.b_scalar = b.broadcast == Broadcast::Scalar || b.broadcast == Broadcast::Pixel;
  row.a_factor = a.scale * output.inv_scale * (row.sum ? 1.0f : b.scale);
  row.b_factor = b.scale * output.inv_scale * (op == EltwiseOp::Sub ? -1.0f : 1.0f);
  row.a_zero = a.zero;
  row.b_zero = b.zero;
  row.zero = output.zero - (row.sum ? a.zero * row.a_factor + b.zero * row.b_factor : 0.0f);
  row.low = steps.low;
  row.high = steps.high;
  return true;
}

void run_byte_rows(const ByteRow& row, const EltwiseShape& s, const EltwiseInput& a_info, const uint8_t* a,
                   const EltwiseInput& b_info, const uint8_t* b, uint8_t* dst, int threads) {
  const double ns = 0.15 * static_cast<double>(s.batch * s.pixels * s.channels);
  const bool flat = s.dst_pixel_stride == s.channels && a_info.pixel_stride == s.channels &&
                    (b_info.broadcast == Broadcast::Scalar ||
                     (b_info.broadcast == Broadcast::None && b_info.pixel_stride == s.channels));
  if (flat) {
    const int64_t n = s.batch * s.pixels * s.channels;
    constexpr int64_t kChunk = 4096;
    const int64_t units = (n + kChunk - 1) / kChunk;
    parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
      const int64_t first = begin * kChunk, count = std::min(end * kChunk, n) - first;
      HWY_DYNAMIC_DISPATCH(byte_row)(row, count, a + first, row.b_scalar ? b : b + first, dst + first);
    });
    return;
  }
  const int64_t units = s.batch * s.pixels;
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t at_b = 0;
      switch (b_info.broadcast) {
        case Broadcast::None:
          at_b = p * b_info.pixel_stride;
          break;
        case Broadcast::ImageChannel:
          at_b = p / s.pixels * s.channels;
          break;
        case Broadcast::Pixel:
          at_b = p;
          break;
        case Broadcast::Channel:
        case Broadcast::Scalar:
          break;
      }
      HWY_DYNAMIC_DISPATCH(byte_row)
      (row, s.channels, a + p * a_info.pixel_stride, b + at_b, dst + p * s.dst_pixel_stride);
    }
  });
}

}  // namespace

void eltwise_binary(EltwiseOp op, const EltwiseShape& shape, const EltwiseInput& a_info, const void* a,
                    const EltwiseInput& b_info, const void* b, const EltwiseOutput& output, void* dst, int threads) {
  if (shape.batch * shape.pixels * shape.channels == 0) return;
  const bool commutes = op == EltwiseOp::Add || op == EltwiseOp::Mul;
  if (a_info.broadcast != Broadcast::None && b_info.broadcast == Broadcast::None && commutes) {
    return eltwise_binary(op, shape, b_info, b, a_info, a, output, dst, threads);
  }
  ByteRow row;
  if (a_info.broadcast == Broadcast::None && byte_row_of(op, a_info, b_info, output, row)) {
    return run_byte_rows(row, shape, a_info, static_cast<const uint8_t*>(a), b_info, static_cast<const uint8_t*>(b),
                         static_cast<uint8_t*>(dst), threads);
  }
  EltwiseProgram program;
  program.num_inputs = 2;
  program.inputs[0] = a_info;
  program.inputs[1] = b_info;
  program.num_steps = 1;
  program.steps[0] = {op, 2, 0, 1, 0.0f, 0.0f};
  program.output = output;
  const void* inputs[] = {a, b};
  eltwise_run(program, shape, inputs, dst, threads);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
