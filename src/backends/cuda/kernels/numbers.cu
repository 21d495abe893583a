// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernels/numbers.h"

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr float kLargestHalf = 65504.0f;

__device__ __forceinline__ bool is_real(Number type) { return type == Number::F32 || type == Number::F16; }

__device__ __forceinline__ float real_at(const NumberView& view, int64_t i) {
  return view.type == Number::F32 ? static_cast<const float*>(view.data)[i]
                                  : __half2float(static_cast<const __half*>(view.data)[i]);
}

__device__ __forceinline__ int64_t integer_at(const NumberView& view, int64_t i) {
  switch (view.type) {
    case Number::S32:
      return static_cast<const int32_t*>(view.data)[i];
    case Number::S64:
      return static_cast<const int64_t*>(view.data)[i];
    default:
      return static_cast<const uint8_t*>(view.data)[i] != 0 ? 1 : 0;
  }
}

__device__ __forceinline__ void put_real(void* dst, Number type, int64_t i, float x) {
  if (type == Number::F32) {
    static_cast<float*>(dst)[i] = x;
    return;
  }
  // A mask's most negative float stays a number: rows that are masked as a whole would else have none.
  if (isfinite(x)) x = fmaxf(-kLargestHalf, fminf(kLargestHalf, x));
  static_cast<__half*>(dst)[i] = __float2half_rn(x);
}

__device__ __forceinline__ void put_integer(void* dst, Number type, int64_t i, int64_t x) {
  switch (type) {
    case Number::S32:
      static_cast<int32_t*>(dst)[i] = static_cast<int32_t>(x);
      break;
    case Number::S64:
      static_cast<int64_t*>(dst)[i] = x;
      break;
    default:
      static_cast<uint8_t*>(dst)[i] = x != 0 ? 1 : 0;
  }
}

template <typename T>
__device__ __forceinline__ bool compared(NumberOp op, T a, T b) {
  switch (op) {
    case NumberOp::Less:
      return a < b;
    case NumberOp::LessEqual:
      return a <= b;
    case NumberOp::Greater:
      return a > b;
    case NumberOp::GreaterEqual:
      return a >= b;
    case NumberOp::Equal:
      return a == b;
    default:
      return a != b;
  }
}

__device__ __forceinline__ int64_t calculated(NumberOp op, int64_t a, int64_t b) {
  const auto left = static_cast<uint64_t>(a), right = static_cast<uint64_t>(b);
  switch (op) {
    case NumberOp::And:
      return a & b;
    case NumberOp::Or:
      return a | b;
    case NumberOp::Not:
      return 1 - a;
    case NumberOp::Add:
      return static_cast<int64_t>(left + right);
    case NumberOp::Sub:
      return static_cast<int64_t>(left - right);
    case NumberOp::Mul:
      return static_cast<int64_t>(left * right);
    case NumberOp::Max:
      return a > b ? a : b;
    case NumberOp::Min:
      return a < b ? a : b;
    default:  // Neg
      return static_cast<int64_t>(0 - left);
  }
}

// Towards zero, as far as the type goes; for bool, whether it is not 0.
__device__ __forceinline__ int64_t whole_number(float x, Number type) {
  if (type == Number::Bool) return x != 0.0f ? 1 : 0;
  if (isnan(x)) return 0;
  return type == Number::S32 ? __float2int_rz(x) : __float2ll_rz(x);
}

__device__ __forceinline__ void copy_number(const NumberView& from, int64_t at, void* dst, Number type, int64_t to) {
  if (is_real(type)) {
    put_real(dst, type, to, is_real(from.type) ? real_at(from, at) : static_cast<float>(integer_at(from, at)));
  } else if (!is_real(from.type)) {
    put_integer(dst, type, to, integer_at(from, at));
  } else {
    put_integer(dst, type, to, whole_number(real_at(from, at), type));
  }
}

struct Operands {
  NumberView views[NumberStep::kOperands];
};

template <typename Count>
__global__ void __launch_bounds__(kThreads)
    number_kernel(NumberStep step, Operands operands, void* dst, Number dst_type, Count count) {
  const auto i = static_cast<Count>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  Count rest = i;
  int64_t at[NumberStep::kOperands] = {}, to = 0, last = 0;
#pragma unroll
  for (int d = NumberStep::kRank - 1; d >= 0; --d) {
    if (d >= step.rank) continue;
    const auto dim = static_cast<Count>(step.dims[d]);
    const auto index = static_cast<int64_t>(rest % dim);
    rest /= dim;
    if (d == step.rank - 1) last = index;
    to += index * step.dst_strides[d];
#pragma unroll
    for (int o = 0; o < NumberStep::kOperands; ++o) at[o] += index * step.strides[o][d];
  }
  if (last >= step.last) {
    if (is_real(dst_type)) {
      put_real(dst, dst_type, to, 0.0f);
    } else {
      put_integer(dst, dst_type, to, 0);
    }
    return;
  }
  const NumberView &a = operands.views[0], &b = operands.views[1];
  if (step.op == NumberOp::Select) {
    const int picked = integer_at(a, at[0]) != 0 ? 1 : 2;
    copy_number(picked == 1 ? b : operands.views[2], picked == 1 ? at[1] : at[2], dst, dst_type, to);
  } else if (step.op == NumberOp::Cast) {
    copy_number(a, at[0], dst, dst_type, to);
  } else if (step.op >= NumberOp::Less && step.op <= NumberOp::NotEqual) {
    const bool is_so = is_real(a.type) ? compared(step.op, real_at(a, at[0]), real_at(b, at[1]))
                                       : compared(step.op, integer_at(a, at[0]), integer_at(b, at[1]));
    put_integer(dst, dst_type, to, is_so ? 1 : 0);
  } else {
    const bool unary = step.op == NumberOp::Not || step.op == NumberOp::Neg;
    put_integer(dst, dst_type, to, calculated(step.op, integer_at(a, at[0]), unary ? 0 : integer_at(b, at[1])));
  }
}

}  // namespace

void number_step(cudaStream_t stream, const NumberStep& step, const NumberView (&operands)[NumberStep::kOperands],
                 void* dst, Number dst_type) {
  int64_t count = 1;
  for (int d = 0; d < step.rank; ++d) count *= step.dims[d];
  if (count == 0) return;
  const Operands given{{operands[0], operands[1], operands[2]}};
  const unsigned blocks = blocks_for(count, kThreads);
  if (count <= INT32_MAX) {
    number_kernel<<<blocks, kThreads, 0, stream>>>(step, given, dst, dst_type, static_cast<uint32_t>(count));
  } else {
    number_kernel<<<blocks, kThreads, 0, stream>>>(step, given, dst, dst_type, static_cast<uint64_t>(count));
  }
  check_launch("number_step");
}

}  // namespace tfengine::cuda
