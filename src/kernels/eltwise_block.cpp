// SPDX-License-Identifier: Apache-2.0
#include "kernels/eltwise_block.h"

#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eltwise_block.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/eltwise_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(float);

// f(i, n): vectors at i; n is below a vector's lanes only for the last one.
template <class Value>
HWY_INLINE void map_unary(int64_t count, const float* a, float* dst, Value value) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(value(hn::LoadU(df, a + i)), df, dst + i);
  if (i == count) return;
  HWY_ALIGN float rest[kMaxLanes] = {};
  std::memcpy(rest, a + i, static_cast<size_t>(count - i) * sizeof(float));
  hn::Store(value(hn::Load(df, rest)), df, rest);
  std::memcpy(dst + i, rest, static_cast<size_t>(count - i) * sizeof(float));
}

template <class Value>
HWY_INLINE void map_binary(int64_t count, const float* a, const float* b, float* dst, Value value) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(value(hn::LoadU(df, a + i), hn::LoadU(df, b + i)), df, dst + i);
  if (i == count) return;
  HWY_ALIGN float rest_a[kMaxLanes] = {};
  HWY_ALIGN float rest_b[kMaxLanes] = {};
  const size_t bytes = static_cast<size_t>(count - i) * sizeof(float);
  std::memcpy(rest_a, a + i, bytes);
  std::memcpy(rest_b, b + i, bytes);
  hn::Store(value(hn::Load(df, rest_a), hn::Load(df, rest_b)), df, rest_a);
  std::memcpy(dst + i, rest_a, bytes);
}

template <EltwiseOp kOp>
void run_unary(int64_t n, const float* a, const float*, float alpha, float beta, float* dst) {
  const DF df;
  const auto va = hn::Set(df, alpha), vb = hn::Set(df, beta);
  map_unary(n, a, dst, [&](hn::Vec<DF> x) HWY_ATTR { return unary_op<kOp>(df, x, va, vb); });
}

template <EltwiseOp kOp>
void run_binary(int64_t n, const float* a, const float* b, float, float, float* dst) {
  const DF df;
  map_binary(n, a, b, dst, [&](hn::Vec<DF> x, hn::Vec<DF> y) HWY_ATTR { return binary_op<kOp>(df, x, y); });
}

using StepFunction = void (*)(int64_t, const float*, const float*, float, float, float*);

template <int kOp>
constexpr StepFunction step_function() {
  constexpr EltwiseOp op = static_cast<EltwiseOp>(kOp);
  if constexpr (op >= EltwiseOp::Add) {
    return &run_binary<op>;
  } else {
    return &run_unary<op>;
  }
}

template <int... kOps>
StepFunction find_step(int op, std::integer_sequence<int, kOps...>) {
  static constexpr StepFunction kSteps[] = {step_function<kOps>()...};
  return kSteps[op];
}

void step(EltwiseOp op, int64_t n, const float* a, const float* b, float alpha, float beta, float* dst) {
  constexpr int kCount = static_cast<int>(EltwiseOp::SquaredDifference) + 1;
  find_step(static_cast<int>(op), std::make_integer_sequence<int, kCount>())(n, a, b, alpha, beta, dst);
}

template <class T>
HWY_INLINE void load_as(int64_t n, const T* HWY_RESTRICT src, float scale, float zero, float* HWY_RESTRICT dst) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const hn::Rebind<T, DF> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto factor = hn::Set(df, scale), origin = hn::Set(df, zero);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::ConvertTo(df, hn::PromoteTo(di, hn::LoadU(d8, src + i)));
    hn::StoreU(hn::Mul(hn::Sub(x, origin), factor), df, dst + i);
  }
  for (; i < n; ++i) dst[i] = (static_cast<float>(src[i]) - zero) * scale;
}

void load(Elem elem, int64_t n, const void* src, float scale, float zero, float* dst) {
  if (elem == Elem::F32) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
  } else if (elem == Elem::S8) {
    load_as(n, static_cast<const int8_t*>(src), scale, zero, dst);
  } else {
    load_as(n, static_cast<const uint8_t*>(src), scale, zero, dst);
  }
}

template <class T>
HWY_INLINE void store_as(int64_t n, const float* HWY_RESTRICT src, float inv_scale, float zero, T* HWY_RESTRICT dst) {
  const DF df;
  const hn::RebindToSigned<DF> di;
  const hn::Repartition<int16_t, DF> d16;
  const hn::Rebind<T, DF> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const auto factor = hn::Set(df, inv_scale), origin = hn::Set(df, zero);
  // One beyond the range saturates when narrowed, and keeps what follows exact.
  const auto low = hn::Set(df, std::is_signed_v<T> ? -129.0f : -1.0f);
  const auto high = hn::Set(df, std::is_signed_v<T> ? 128.0f : 256.0f);
  (void)d16;
  const auto value = [&](hn::Vec<DF> x) HWY_ATTR {
    x = hn::MulAdd(x, factor, origin);
    x = hn::IfThenElseZero(hn::Eq(x, x), x);
    return hn::DemoteTo(d8, round_small(df, hn::Min(hn::Max(x, low), high)));
  };
  (void)di;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(value(hn::LoadU(df, src + i)), d8, dst + i);
  if (i == n) return;
  HWY_ALIGN float rest[kMaxLanes] = {};
  HWY_ALIGN T bytes[kMaxLanes];
  std::memcpy(rest, src + i, static_cast<size_t>(n - i) * sizeof(float));
  hn::StoreU(value(hn::Load(df, rest)), d8, bytes);
  std::memcpy(dst + i, bytes, static_cast<size_t>(n - i));
}

void store(Elem elem, int64_t n, const float* src, float inv_scale, float zero, void* dst) {
  if (elem == Elem::F32) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
  } else if (elem == Elem::S8) {
    store_as(n, src, inv_scale, zero, static_cast<int8_t*>(dst));
  } else {
    store_as(n, src, inv_scale, zero, static_cast<uint8_t*>(dst));
  }
}

void scale_bias(int64_t n, const float* src, const float* scale, const float* bias, float* dst) {
  const DF df;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    auto x = hn::LoadU(df, src + i);
    if (scale) x = hn::Mul(x, hn::LoadU(df, scale + i));
    if (bias) x = hn::Add(x, hn::LoadU(df, bias + i));
    hn::StoreU(x, df, dst + i);
  }
  for (; i < n; ++i) dst[i] = src[i] * (scale ? scale[i] : 1.0f) + (bias ? bias[i] : 0.0f);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {
HWY_EXPORT(step);
HWY_EXPORT(load);
HWY_EXPORT(store);
HWY_EXPORT(scale_bias);
}  // namespace

void block_op(EltwiseOp op, int64_t n, const float* a, const float* b, float alpha, float beta, float* dst) {
  HWY_DYNAMIC_DISPATCH(step)(op, n, a, b, alpha, beta, dst);
}

void block_load(Elem elem, int64_t n, const void* src, float scale, float zero, float* dst) {
  HWY_DYNAMIC_DISPATCH(load)(elem, n, src, scale, zero, dst);
}

void block_store(Elem elem, int64_t n, const float* src, float inv_scale, float zero, void* dst) {
  HWY_DYNAMIC_DISPATCH(store)(elem, n, src, inv_scale, zero, dst);
}

void block_scale_bias(int64_t n, const float* src, const float* scale, const float* bias, float* dst) {
  if (!scale && !bias && dst == src) return;
  HWY_DYNAMIC_DISPATCH(scale_bias)(n, src, scale, bias, dst);
}

double eltwise_ns(EltwiseOp op) {
  switch (op) {
    case EltwiseOp::Exp:
    case EltwiseOp::Log:
    case EltwiseOp::Sigmoid:
    case EltwiseOp::Tanh:
    case EltwiseOp::Erf:
    case EltwiseOp::Erfc:
    case EltwiseOp::Elu:
    case EltwiseOp::Selu:
    case EltwiseOp::Softplus:
    case EltwiseOp::Swish:
    case EltwiseOp::GeluErf:
    case EltwiseOp::GeluTanh:
      return 1.0;
    default:
      return 0.1;
  }
}

bool is_binary(EltwiseOp op) { return op >= EltwiseOp::Add; }

EltwiseOp op_of(ActKind kind) {
  switch (kind) {
    case ActKind::None:
      return EltwiseOp::Identity;
    case ActKind::Relu:
      return EltwiseOp::Relu;
    case ActKind::Clip:
      return EltwiseOp::Clip;
    case ActKind::LeakyRelu:
      return EltwiseOp::LeakyRelu;
    case ActKind::Elu:
      return EltwiseOp::Elu;
    case ActKind::Sigmoid:
      return EltwiseOp::Sigmoid;
    case ActKind::Tanh:
      return EltwiseOp::Tanh;
    case ActKind::Swish:
      return EltwiseOp::Swish;
    case ActKind::HardSwish:
      return EltwiseOp::HardSwish;
    case ActKind::HardSigmoid:
      return EltwiseOp::HardSigmoid;
    case ActKind::GeluErf:
      return EltwiseOp::GeluErf;
    case ActKind::GeluTanh:
      return EltwiseOp::GeluTanh;
    case ActKind::Softplus:
      return EltwiseOp::Softplus;
  }
  return EltwiseOp::Identity;
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
