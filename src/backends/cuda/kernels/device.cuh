// SPDX-License-Identifier: Apache-2.0
// What the kernels share on the device: elements as floats, activations, rounding.
#pragma once

#include <cuda_fp16.h>

#include "backends/cuda/error.h"
#include "backends/cuda/kernels/kernels.h"

namespace tfengine::cuda {

template <Elem>
struct TypeOf;
template <>
struct TypeOf<Elem::F32> {
  using type = float;
};
template <>
struct TypeOf<Elem::F16> {
  using type = __half;
};
template <>
struct TypeOf<Elem::S8> {
  using type = int8_t;
};
template <>
struct TypeOf<Elem::S32> {
  using type = int32_t;
};

// What products of the type are summed in.
template <typename T>
struct Accumulator {
  using type = float;
};
template <>
struct Accumulator<int8_t> {
  using type = int;
};

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_float(int8_t x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(int32_t x) { return static_cast<float>(x); }

// Half to even; saturates.
__device__ __forceinline__ int round_s8(float x) { return max(-128, min(127, __float2int_rn(x))); }

template <typename T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __forceinline__ int8_t from_float<int8_t>(float x) {
  return static_cast<int8_t>(round_s8(x));
}
template <>
__device__ __forceinline__ int32_t from_float<int32_t>(float x) {
  return __float2int_rn(x);
}

__device__ __forceinline__ float load(const void* data, Elem elem, int64_t index) {
  switch (elem) {
    case Elem::F32:
      return static_cast<const float*>(data)[index];
    case Elem::F16:
      return __half2float(static_cast<const __half*>(data)[index]);
    case Elem::S8:
      return static_cast<float>(static_cast<const int8_t*>(data)[index]);
    case Elem::S32:
      return static_cast<float>(static_cast<const int32_t*>(data)[index]);
  }
  return 0.0f;
}

__device__ __forceinline__ void store(void* data, Elem elem, int64_t index, float x) {
  switch (elem) {
    case Elem::F32:
      static_cast<float*>(data)[index] = x;
      break;
    case Elem::F16:
      static_cast<__half*>(data)[index] = __float2half_rn(x);
      break;
    case Elem::S8:
      static_cast<int8_t*>(data)[index] = static_cast<int8_t>(round_s8(x));
      break;
    case Elem::S32:
      static_cast<int32_t*>(data)[index] = __float2int_rn(x);
      break;
  }
}

__device__ __forceinline__ float apply(const Act& act, float x) {
  switch (act.kind) {
    case ActKind::None:
      return x;
    case ActKind::Relu:
      return fmaxf(x, 0.0f);
    case ActKind::Clip:
      return fminf(fmaxf(x, act.alpha), act.beta);
    case ActKind::LeakyRelu:
      return x >= 0.0f ? x : act.alpha * x;
    case ActKind::Elu:
      return x >= 0.0f ? x : act.alpha * expm1f(x);
    case ActKind::Sigmoid:
      return 1.0f / (1.0f + expf(-x));
    case ActKind::Tanh:
      return tanhf(x);
    case ActKind::Swish:
      return x / (1.0f + expf(-x));
    case ActKind::HardSwish:
      return x * fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f);
    case ActKind::HardSigmoid:
      return fminf(fmaxf(x + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f);
    case ActKind::GeluErf:
      return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case ActKind::GeluTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case ActKind::Softplus:
      return x > 20.0f ? x : log1pf(expf(x));
  }
  return x;
}

// Element c of an output row at `pixel`: everything behind the accumulator.
__device__ __forceinline__ float finish(const ConvEpilogue& e, float acc, int64_t pixel, int c) {
  float r = e.scale != nullptr ? acc * e.scale[c] : acc;
  if (e.bias != nullptr) r += e.bias[c];
  r = apply(e.before, r);
  if (e.residual.data != nullptr) {
    r += e.residual.scale * load(e.residual.data, e.residual.elem, pixel * e.residual.pitch + c);
  }
  return apply(e.after, r);
}

// Calls visit(std::integral_constant-like tag) for the element type.
template <Elem E>
struct ElemTag {
  static constexpr Elem value = E;
  using type = typename TypeOf<E>::type;
};
template <typename Visit>
void visit_float_or_s8(Elem elem, Visit&& visit) {
  switch (elem) {
    case Elem::F32:
      return visit(ElemTag<Elem::F32>{});
    case Elem::F16:
      return visit(ElemTag<Elem::F16>{});
    default:
      return visit(ElemTag<Elem::S8>{});
  }
}

inline unsigned blocks_for(int64_t work, int64_t per_block) {
  return static_cast<unsigned>((work + per_block - 1) / per_block);
}

}  // namespace tfengine::cuda
