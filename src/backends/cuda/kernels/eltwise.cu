// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float compute(EltOp op, const Act& argument, float a, float b) {
  switch (op) {
    case EltOp::Identity:
      return a;
    case EltOp::Abs:
      return fabsf(a);
    case EltOp::Neg:
      return -a;
    case EltOp::Square:
      return a * a;
    case EltOp::Sqrt:
      return sqrtf(a);
    case EltOp::Rsqrt:
      return 1.0f / sqrtf(a);
    case EltOp::Exp:
      return expf(a);
    case EltOp::Log:
      return logf(a);
    case EltOp::Erf:
      return erff(a);
    case EltOp::Erfc:
      return erfcf(a);
    case EltOp::Reciprocal:
      return 1.0f / a;
    case EltOp::Floor:
      return floorf(a);
    case EltOp::Ceil:
      return ceilf(a);
    case EltOp::Round:
      return rintf(a);
    case EltOp::Sign:
      return a > 0.0f ? 1.0f : (a < 0.0f ? -1.0f : a);
    case EltOp::Selu:
      // Klambauer et al., "Self-Normalizing Neural Networks", arXiv 1706.02515.
      return 1.0507009873554805f * (a >= 0.0f ? a : 1.6732632423543772f * expm1f(a));
    case EltOp::Softsign:
      return a / (1.0f + fabsf(a));
    case EltOp::Activation:
      return apply(argument, a);
    case EltOp::Add:
      return a + b;
    case EltOp::Sub:
      return a - b;
    case EltOp::Mul:
      return a * b;
    case EltOp::Div:
      return a / b;
    case EltOp::Max:
      return fmaxf(a, b);
    case EltOp::Min:
      return fminf(a, b);
    case EltOp::SquaredDifference:
      return (a - b) * (a - b);
    case EltOp::Pow:
      return powf(a, b);
    case EltOp::FloorDiv:
      return floorf(a / b);
  }
  return a;
}

__global__ void __launch_bounds__(kThreads) strided(Eltwise e, View a, View b, Target dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  int64_t rest = i, at_a = 0, at_b = 0, at_dst = 0;
#pragma unroll
  for (int d = kMaxDims - 1; d >= 0; --d) {
    if (d >= e.rank) continue;
    const int64_t index = rest % e.dims[d];
    rest /= e.dims[d];
    at_a += index * e.a_strides[d];
    at_b += index * e.b_strides[d];
    at_dst += index * e.dst_strides[d];
  }
  const float x = load(a.data, a.elem, at_a) * a.scale;
  const float y = b.data != nullptr ? load(b.data, b.elem, at_b) * b.scale : 0.0f;
  const float r = apply(e.act, compute(e.op, e.argument, x, y));
  store(dst.data, dst.elem, at_dst, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
}

template <typename T>
struct alignas(sizeof(T) * 4) Four {
  T v[4];
};

// Four neighbours along the last axis, or the one that they share.
__device__ __forceinline__ void load_four(const View& from, int64_t at, bool shared, float (&values)[4]) {
  if (shared) {
    const float value = load(from.data, from.elem, at) * from.scale;
    for (float& x : values) x = value;
  } else if (from.elem == Elem::F16) {
    const auto raw = *reinterpret_cast<const Four<__half>*>(static_cast<const __half*>(from.data) + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] = __half2float(raw.v[i]) * from.scale;
  } else if (from.elem == Elem::F32) {
    const auto raw = *reinterpret_cast<const Four<float>*>(static_cast<const float*>(from.data) + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] = raw.v[i] * from.scale;
  } else {
    const auto raw = *reinterpret_cast<const Four<int8_t>*>(static_cast<const int8_t*>(from.data) + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] = static_cast<float>(raw.v[i]) * from.scale;
  }
}

// As strided(), four neighbours a thread and with numbers of 32 bits: divisions are most of the work.
__global__ void __launch_bounds__(kThreads) strided_fours(Eltwise e, View a, View b, Target dst, uint32_t count) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= count) return;
  uint32_t rest = 4 * i;
  int64_t at_a = 0, at_b = 0, at_dst = 0;
#pragma unroll
  for (int d = kMaxDims - 1; d >= 0; --d) {
    if (d >= e.rank) continue;
    const auto dim = static_cast<uint32_t>(e.dims[d]);
    const uint32_t index = rest % dim;
    rest /= dim;
    at_a += index * e.a_strides[d];
    at_b += index * e.b_strides[d];
    at_dst += index * e.dst_strides[d];
  }
  float x[4], y[4] = {};
  load_four(a, at_a, e.a_strides[e.rank - 1] == 0, x);
  if (b.data != nullptr) load_four(b, at_b, e.b_strides[e.rank - 1] == 0, y);
#pragma unroll
  for (int k = 0; k < 4; ++k) x[k] = apply(e.act, compute(e.op, e.argument, x[k], y[k]));
  if (dst.elem == Elem::F16) {
    Four<__half> r;
#pragma unroll
    for (int k = 0; k < 4; ++k) r.v[k] = __float2half_rn(x[k]);
    *reinterpret_cast<Four<__half>*>(static_cast<__half*>(dst.data) + at_dst) = r;
  } else if (dst.elem == Elem::F32) {
    *reinterpret_cast<Four<float>*>(static_cast<float*>(dst.data) + at_dst) = {x[0], x[1], x[2], x[3]};
  } else {
    for (int k = 0; k < 4; ++k) store(dst.data, dst.elem, at_dst + k, x[k] * dst.inv_scale);
  }
}

// All operands lie the same way, one word or more a thread.
template <typename A, typename D>
__global__ void __launch_bounds__(kThreads)
    same(Eltwise e, const Four<A>* __restrict__ a, float a_scale, const Four<A>* __restrict__ b, float b_scale,
         Four<D>* __restrict__ dst, float inv_scale, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const Four<A> x = a[i];
  Four<A> y = x;
  if (b != nullptr) y = b[i];
  Four<D> r;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const float value = apply(e.act, compute(e.op, e.argument, to_float(x.v[j]) * a_scale, to_float(y.v[j]) * b_scale));
    r.v[j] = from_float<D>(sizeof(D) == 1 ? value * inv_scale : value);
  }
  dst[i] = r;
}

// Whether every operand is one block of memory walked in the same order.
bool flat(const Eltwise& e, bool binary) {
  for (int d = 0; d < e.rank; ++d) {
    if (e.dims[d] > 1 && e.a_strides[d] != e.dst_strides[d]) return false;
    if (binary && e.dims[d] > 1 && e.b_strides[d] != e.dst_strides[d]) return false;
  }
  return true;
}

// Whether an operand's elements can be taken four at a time along the last axis.
bool in_fours(const Eltwise& e, const int64_t* strides, const void* data, bool may_share) {
  const int last = e.rank - 1;
  const bool shared = may_share && strides[last] == 0;
  if (!shared && (strides[last] != 1 || reinterpret_cast<uintptr_t>(data) % 16 != 0)) return false;
  for (int d = 0; d < last && !shared; ++d) {
    if (strides[d] % 4 != 0) return false;
  }
  return true;
}

bool takes_fours(const Eltwise& e, const View& a, const View& b, const Target& dst, int64_t count) {
  constexpr int64_t kMostElements = int64_t{1} << 31;
  const bool integers = a.elem == Elem::S32 || dst.elem == Elem::S32 || (b.data != nullptr && b.elem == Elem::S32);
  if (integers || e.rank == 0 || e.dims[e.rank - 1] % 4 != 0 || count >= kMostElements) return false;
  return in_fours(e, e.a_strides, a.data, true) && (b.data == nullptr || in_fours(e, e.b_strides, b.data, true)) &&
         in_fours(e, e.dst_strides, dst.data, false);
}

__global__ void __launch_bounds__(kThreads)
    affine_rows(View src, const float* __restrict__ scale, const float* __restrict__ offset, Act act, Target dst,
                int64_t count, int channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / dst.pitch;
  const int c = static_cast<int>(i - row * dst.pitch);
  float r = 0.0f;
  if (c < channels) {
    r = apply(act, fmaf(load(src.data, src.elem, row * src.pitch + c) * src.scale, scale[c], offset[c]));
  }
  store(dst.data, dst.elem, i, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
}

}  // namespace

void eltwise(cudaStream_t stream, const Eltwise& step, const View& a, const View& b, const Target& dst) {
  const bool binary = b.data != nullptr;
  int64_t count = 1, extent = 1;
  for (int d = 0; d < step.rank; ++d) {
    count *= step.dims[d];
    extent += (step.dims[d] - 1) * step.dst_strides[d];
  }
  const bool known = a.elem != Elem::S32 && dst.elem != Elem::S32 && (!binary || b.elem == a.elem);
  const auto aligned = [](const void* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; };
  if (known && flat(step, binary) && extent % 4 == 0 && aligned(a.data) && aligned(b.data) && aligned(dst.data)) {
    visit_float_or_s8(a.elem, [&](auto from) {
      visit_float_or_s8(dst.elem, [&](auto to) {
        using A = typename decltype(from)::type;
        using D = typename decltype(to)::type;
        same<A, D><<<blocks_for(extent / 4, kThreads), kThreads, 0, stream>>>(
            step, static_cast<const Four<A>*>(a.data), a.scale, static_cast<const Four<A>*>(b.data), b.scale,
            static_cast<Four<D>*>(dst.data), dst.inv_scale, extent / 4);
      });
    });
  } else if (takes_fours(step, a, b, dst, count)) {
    strided_fours<<<blocks_for(count / 4, kThreads), kThreads, 0, stream>>>(step, a, b, dst,
                                                                            static_cast<uint32_t>(count / 4));
  } else {
    strided<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(step, a, b, dst, count);
  }
  check_launch("eltwise");
}

void affine(cudaStream_t stream, const View& src, const float* scale, const float* offset, const Act& act,
            const Target& dst, int64_t rows, int64_t channels) {
  const int64_t count = rows * dst.pitch;
  affine_rows<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(src, scale, offset, act, dst, count,
                                                                    static_cast<int>(channels));
  check_launch("affine");
}

}  // namespace tfengine::cuda
