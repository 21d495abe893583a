// SPDX-License-Identifier: Apache-2.0
// The vectorised half of epilogue.h: turns a tile of accumulators into stored results. Included by kernels
// inside foreach_target.h; knows nothing of how the accumulators came about.
#if defined(TFENGINE_KERNELS_EPILOGUE_HWY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_EPILOGUE_HWY_INL_H_
#undef TFENGINE_KERNELS_EPILOGUE_HWY_INL_H_
#else
#define TFENGINE_KERNELS_EPILOGUE_HWY_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/eltwise_math-inl.h"
#include "kernels/epilogue_tile.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- Activations, on values in real units.

// Not inlined: one copy per translation unit and target keeps the kernels' loops small.
template <class DF>
HWY_NOINLINE hn::Vec<DF> apply_transcendental(DF df, const Act& act, hn::Vec<DF> x) {
  const auto alpha = hn::Set(df, act.alpha);
  switch (act.kind) {
    case ActKind::Elu:
      return unary_op<EltwiseOp::Elu>(df, x, alpha, alpha);
    case ActKind::Sigmoid:
      return unary_op<EltwiseOp::Sigmoid>(df, x, alpha, alpha);
    case ActKind::Tanh:
      return unary_op<EltwiseOp::Tanh>(df, x, alpha, alpha);
    case ActKind::Swish:
      return unary_op<EltwiseOp::Swish>(df, x, alpha, alpha);
    case ActKind::GeluErf:
      return unary_op<EltwiseOp::GeluErf>(df, x, alpha, alpha);
    case ActKind::GeluTanh:
      return unary_op<EltwiseOp::GeluTanh>(df, x, alpha, alpha);
    case ActKind::Softplus:
      return unary_op<EltwiseOp::Softplus>(df, x, alpha, alpha);
    default:
      return x;
  }
}

template <class DF>
HWY_INLINE hn::Vec<DF> apply_act(DF df, const Act& act, hn::Vec<DF> x) {
  const auto alpha = hn::Set(df, act.alpha);
  const auto beta = hn::Set(df, act.beta);
  switch (act.kind) {
    case ActKind::None:
      return x;
    case ActKind::Relu:
      return unary_op<EltwiseOp::Relu>(df, x, alpha, beta);
    case ActKind::Clip:
      return unary_op<EltwiseOp::Clip>(df, x, alpha, beta);
    case ActKind::LeakyRelu:
      return unary_op<EltwiseOp::LeakyRelu>(df, x, alpha, beta);
    case ActKind::HardSwish:
      return unary_op<EltwiseOp::HardSwish>(df, x, alpha, beta);
    case ActKind::HardSigmoid:
      return unary_op<EltwiseOp::HardSigmoid>(df, x, alpha, beta);
    default:
      return apply_transcendental(df, act, x);
  }
}

// ---- Loads and stores of one vector of float values kept as another type.

template <class DF>
HWY_INLINE hn::Vec<DF> load_as_float(DF df, const float* HWY_RESTRICT p) {
  return hn::LoadU(df, p);
}
template <class DF>
HWY_INLINE hn::Vec<DF> load_as_float(DF df, const int32_t* HWY_RESTRICT p) {
  return hn::ConvertTo(df, hn::LoadU(hn::Rebind<int32_t, DF>(), p));
}
template <class DF>
HWY_INLINE hn::Vec<DF> load_as_float(DF df, const int8_t* HWY_RESTRICT p) {
  const hn::Rebind<int32_t, DF> di;
  return hn::ConvertTo(df, hn::PromoteTo(di, hn::LoadU(hn::Rebind<int8_t, DF>(), p)));
}
template <class DF>
HWY_INLINE hn::Vec<DF> load_as_float(DF df, const uint8_t* HWY_RESTRICT p) {
  const hn::Rebind<int32_t, DF> di;
  return hn::ConvertTo(df, hn::PromoteTo(di, hn::LoadU(hn::Rebind<uint8_t, DF>(), p)));
}

// Stores one byte per lane: round_half_even(q) clamped to [low, high], which must lie within [-128, 255].
// Adding 1.5 * 2^23 rounds to an integer (ties to even, the default mode) and leaves it, as two's complement,
// in the low bits of the float: the low byte is the result for s8 and u8 alike, with no conversion. NaN
// becomes `high`.
template <class DF>
HWY_INLINE void store_bytes(DF df, hn::Vec<DF> q, hn::Vec<DF> low, hn::Vec<DF> high, uint8_t* HWY_RESTRICT p) {
  const hn::RebindToUnsigned<DF> du;
  const auto clamped = hn::Max(hn::Min(q, high), low);
  const auto rounded = hn::Add(clamped, hn::Set(df, 12582912.0f));
  const hn::Rebind<uint8_t, DF> d8;
  hn::StoreU(hn::TruncateTo(d8, hn::BitCast(du, rounded)), d8, p);
}

#if HWY_TARGET == HWY_SCALAR
template <class DF>
HWY_INLINE void store_byte_pair(DF df, hn::Vec<DF> q0, hn::Vec<DF> q1, hn::Vec<DF> low, hn::Vec<DF> high, uint8_t* p) {
  store_bytes(df, q0, low, high, p);
  store_bytes(df, q1, low, high, p + 1);
}
#else
// Two neighbouring vectors: half the shuffles of two store_bytes.
template <class DF>
HWY_INLINE void store_byte_pair(DF df, hn::Vec<DF> q0, hn::Vec<DF> q1, hn::Vec<DF> low, hn::Vec<DF> high,
                                uint8_t* HWY_RESTRICT p) {
  const hn::RebindToUnsigned<DF> du;
  const hn::Repartition<uint8_t, DF> d8;
  const auto magic = hn::Set(df, 12582912.0f);
  // Low bytes of 4 lanes of q0, then of q1, in the first half of each 128-bit block...
  alignas(16) static constexpr uint8_t kFirst[16] = {0, 4, 8, 12, 128, 128, 128, 128, 0, 4, 8, 12, 128, 128, 128, 128};
  alignas(16) static constexpr uint8_t kSecond[16] = {128, 128, 128, 128, 0, 4, 8, 12, 128, 128, 128, 128, 0, 4, 8, 12};
  const auto b0 = hn::BitCast(d8, hn::Add(hn::Max(hn::Min(q0, high), low), magic));
  const auto b1 = hn::BitCast(d8, hn::Add(hn::Max(hn::Min(q1, high), low), magic));
  const auto bytes = hn::Or(hn::TableLookupBytesOr0(b0, hn::LoadDup128(d8, kFirst)),
                            hn::TableLookupBytesOr0(b1, hn::LoadDup128(d8, kSecond)));
  // ...then all of q0's before all of q1's: 32-bit lanes 0, 4, ... and 1, 5, ...
  HWY_ALIGN int32_t order[HWY_MAX_BYTES / sizeof(float)] = {};
  constexpr int kBlocks = static_cast<int>(hn::MaxLanes(DF()) / 4);
  for (int i = 0; i < kBlocks; ++i) {
    order[i] = 4 * i;
    order[kBlocks + i] = 4 * i + 1;
  }
  const auto ordered = hn::TableLookupLanes(hn::BitCast(du, bytes), hn::SetTableIndices(du, order));
  const hn::CappedTag<uint8_t, hn::MaxLanes(DF()) * 2> dhalf;
  hn::StoreU(hn::LowerHalf(dhalf, hn::BitCast(d8, ordered)), dhalf, p);
}
#endif

#if HWY_TARGET == HWY_AVX3
// round_half_even(q) of four neighbouring vectors, each at most highest_of(the type), saturated below and no less than `low`:
// 3 instructions a vector where store_byte_pair takes 5. Highway's NearestInt would mend overflows that cannot be here, and
// has no packing of 16-bit values.
template <class Byte, class DF, class D8 = hn::Repartition<Byte, DF>>
HWY_INLINE hn::Vec<D8> byte_quad(DF df, hn::Vec<DF> q0, hn::Vec<DF> q1, hn::Vec<DF> q2, hn::Vec<DF> q3,
                                 hn::Vec<D8> low) {
  using I32 = hn::RebindToSigned<DF>;
  const auto rounded = [](hn::Vec<DF> q) HWY_ATTR {
    hn::Vec<I32> integer;
    __asm__("vcvtps2dq %1, %0" : "=v"(integer.raw) : "v"(q.raw));
    return integer;
  };
  const hn::Repartition<int16_t, DF> d16;
  const auto first = hn::ReorderDemote2To(d16, rounded(q0), rounded(q1));
  const auto second = hn::ReorderDemote2To(d16, rounded(q2), rounded(q3));
  hn::Vec<D8> bytes;
  if constexpr (std::is_same_v<Byte, uint8_t>) {
    __asm__("vpackuswb %2, %1, %0" : "=v"(bytes.raw) : "v"(first.raw), "v"(second.raw));
  } else {
    __asm__("vpacksswb %2, %1, %0" : "=v"(bytes.raw) : "v"(first.raw), "v"(second.raw));
  }
  // Each block of 128 bits has four bytes of every vector.
  alignas(64) static constexpr int32_t kOrder[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const I32 d32;
  const auto ordered = hn::TableLookupLanes(hn::BitCast(d32, hn::Max(bytes, low)), hn::SetTableIndices(d32, kOrder));
  return hn::BitCast(D8(), ordered);
}
#endif

inline float lowest_of(Elem e) { return e == Elem::S8 ? -128.0f : 0.0f; }
inline float highest_of(Elem e) { return e == Elem::S8 ? 127.0f : 255.0f; }

// Stores real values as the type `dst_elem`; `offset` counts elements.
template <class DF>
HWY_INLINE void store_elems(DF df, Elem dst_elem, float inv_scale, hn::Vec<DF> r, void* dst, int64_t offset) {
  if (dst_elem == Elem::F32) {
    hn::StoreU(r, df, static_cast<float*>(dst) + offset);
  } else {
    store_bytes(df, hn::Mul(r, hn::Set(df, inv_scale)), hn::Set(df, lowest_of(dst_elem)),
                hn::Set(df, highest_of(dst_elem)), static_cast<uint8_t*>(dst) + offset);
  }
}

// ---- The tile.

struct NoResidual {};

// Channel constants with the requantisation folded in where it commutes with everything that follows.
template <class DF>
struct ChannelFactors {
  hn::Vec<DF> scale, bias;
};

// `zero` is added to the folded bias.
template <class DF>
HWY_INLINE ChannelFactors<DF> load_factors(DF df, const Epilogue& e, int64_t c, float folded, float zero) {
  const auto f = hn::Set(df, folded), z = hn::Set(df, zero);
  return {e.scale ? hn::Mul(hn::LoadU(df, e.scale + c), f) : f,
          e.bias ? hn::MulAdd(hn::LoadU(df, e.bias + c), f, z) : z};
}

// A channel run shorter than a vector goes through these: every pointer the vector code reads or writes is
// replaced by a full vector on the stack.
template <class DF>
HWY_INLINE ChannelFactors<DF> load_factors_tail(DF df, const Epilogue& e, int64_t c, int64_t n, float folded,
                                                float zero) {
  HWY_ALIGN float scale[HWY_MAX_BYTES / sizeof(float)] = {};
  HWY_ALIGN float bias[HWY_MAX_BYTES / sizeof(float)] = {};
  for (int64_t i = 0; i < n; ++i) {
    scale[i] = e.scale ? e.scale[c + i] * folded : folded;
    bias[i] = (e.bias ? e.bias[c + i] * folded : 0.0f) + zero;
  }
  return {hn::Load(df, scale), hn::Load(df, bias)};
}

template <class DF, class T>
HWY_INLINE hn::Vec<DF> load_tail(DF df, const T* HWY_RESTRICT p, int64_t n) {
  HWY_ALIGN T lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load_as_float(df, lanes);
}

inline bool only_clamps(const Epilogue& e) {
  const ActKind last = e.after_add.kind;
  return e.before_add.kind == ActKind::None &&
         (last == ActKind::None || last == ActKind::Relu || last == ActKind::Clip);
}

// Without activations other than clamps, everything happens in units of dst's step: r * inv_scale is one FMA
// (two with a residual), and Relu or Clip is merged with saturation. About 8 instructions per vector.
template <class DF>
struct ClampStep {
  float folded;  // factor on scale, bias and residual_scale
  float zero;    // the zero points of dst and residual, in steps of dst
  float low_edge, high_edge;
  hn::Vec<DF> low, high, residual_scale;

  ClampStep(DF df, const Epilogue& e) {
    folded = e.dst_elem == Elem::F32 ? 1.0f : e.dst_inv_scale;
    low_edge = e.dst_elem == Elem::F32 ? -std::numeric_limits<float>::infinity() : lowest_of(e.dst_elem);
    high_edge = e.dst_elem == Elem::F32 ? std::numeric_limits<float>::infinity() : highest_of(e.dst_elem);
    zero = e.dst_zero - e.residual_zero * e.residual_scale * folded;
    if (e.after_add.kind == ActKind::Relu) low_edge = std::max(low_edge, e.dst_zero);
    if (e.after_add.kind == ActKind::Clip) {
      const float high_before = high_edge;
      high_edge = std::clamp(e.after_add.beta * folded + e.dst_zero, low_edge, high_before);
      low_edge = std::clamp(e.after_add.alpha * folded + e.dst_zero, low_edge, high_before);
    }
    low = hn::Set(df, low_edge);
    high = hn::Set(df, high_edge);
    residual_scale = hn::Set(df, e.residual_scale * folded);
  }
  template <class R>
  HWY_INLINE hn::Vec<DF> apply(DF, hn::Vec<DF> acc, const ChannelFactors<DF>& f, const R& residual) const {
    auto q = hn::MulAdd(acc, f.scale, f.bias);
    if constexpr (!std::is_same_v<R, NoResidual>) q = hn::MulAdd(residual, residual_scale, q);
    return q;
  }
  HWY_INLINE void store_float(DF df, hn::Vec<DF> q, float* p) const {
    hn::StoreU(hn::Max(hn::Min(q, high), low), df, p);
  }
  HWY_INLINE void store_byte(DF df, hn::Vec<DF> q, uint8_t* p) const { store_bytes(df, q, low, high, p); }
  HWY_INLINE void store_pair(DF df, hn::Vec<DF> q0, hn::Vec<DF> q1, uint8_t* p) const {
    store_byte_pair(df, q0, q1, low, high, p);
  }
  // What byte_quad wants: `high` applied.
  HWY_INLINE hn::Vec<DF> in_steps(hn::Vec<DF> q) const { return hn::Min(q, high); }
};

// Any activations: in real units, requantised last.
template <class DF>
struct GeneralStep {
  static constexpr float folded = 1.0f, zero = 0.0f;
  float low_edge;
  Act before_add, after_add;
  hn::Vec<DF> inv_scale, dst_zero, low, high, residual_scale, residual_zero;

  GeneralStep(DF df, const Epilogue& e)
      : low_edge(lowest_of(e.dst_elem)), before_add(e.before_add), after_add(e.after_add) {
    inv_scale = hn::Set(df, e.dst_inv_scale);
    dst_zero = hn::Set(df, e.dst_zero);
    residual_zero = hn::Set(df, e.residual_zero);
    low = hn::Set(df, lowest_of(e.dst_elem));
    high = hn::Set(df, highest_of(e.dst_elem));
    residual_scale = hn::Set(df, e.residual_scale);
  }
  template <class R>
  HWY_INLINE hn::Vec<DF> apply(DF df, hn::Vec<DF> acc, const ChannelFactors<DF>& f, const R& residual) const {
    auto r = apply_act(df, before_add, hn::MulAdd(acc, f.scale, f.bias));
    if constexpr (!std::is_same_v<R, NoResidual>) {
      r = hn::MulAdd(hn::Sub(residual, residual_zero), residual_scale, r);
    }
    return apply_act(df, after_add, r);
  }
  HWY_INLINE void store_float(DF df, hn::Vec<DF> r, float* p) const { hn::StoreU(r, df, p); }
  HWY_INLINE void store_byte(DF df, hn::Vec<DF> r, uint8_t* p) const {
    store_bytes(df, hn::MulAdd(r, inv_scale, dst_zero), low, high, p);
  }
  HWY_INLINE void store_pair(DF df, hn::Vec<DF> r0, hn::Vec<DF> r1, uint8_t* p) const {
    store_byte_pair(df, hn::MulAdd(r0, inv_scale, dst_zero), hn::MulAdd(r1, inv_scale, dst_zero), low, high, p);
  }
  HWY_INLINE hn::Vec<DF> in_steps(hn::Vec<DF> r) const { return hn::Min(hn::MulAdd(r, inv_scale, dst_zero), high); }
};

// Where a row of the tile from its channel c on lies. Copies of strides: stores of bytes may alias anything, and loops would
// read them again and again.
template <class R, class Dst, class Acc>
struct TileRows {
  static constexpr bool kHasResidual = !std::is_same_v<R, NoResidual>;
  using Residual = std::conditional_t<kHasResidual, R, uint8_t>;

  const Acc* acc;
  const Residual* res;
  Dst* out;
  int64_t acc_stride, residual_stride, dst_stride;

  HWY_INLINE TileRows(const Epilogue& e, const EpilogueTile<Acc>& t, int64_t c)
      : acc(t.acc + c),
        res(static_cast<const Residual*>(e.residual)),
        out(static_cast<Dst*>(t.dst) + t.first_pixel * t.dst_pixel_stride + t.first_channel + c),
        acc_stride(t.acc_stride),
        residual_stride(e.residual_pixel_stride),
        dst_stride(t.dst_pixel_stride) {
    if constexpr (kHasResidual) res += t.first_pixel * residual_stride + t.first_channel + c;
  }
  HWY_INLINE void next() {
    acc += acc_stride;
    if constexpr (kHasResidual) res += residual_stride;
    out += dst_stride;
  }
};

// All rows of one vector of channels, of which n exist; kFull: all of them do.
template <bool kFull, class R, class Dst, class DF, class Acc, class StepT>
HWY_INLINE void epilogue_column(DF df, const Epilogue& e, const EpilogueTile<Acc>& t, const StepT& step, int64_t c,
                                int64_t n) {
  constexpr bool kHasResidual = !std::is_same_v<R, NoResidual>;
  const int64_t channel = t.first_channel + c;
  const auto factors = kFull ? load_factors(df, e, channel, step.folded, step.zero)
                             : load_factors_tail(df, e, channel, n, step.folded, step.zero);
  TileRows<R, Dst, Acc> at(e, t, c);
  for (int64_t r = 0, rows = t.rows; r < rows; ++r, at.next()) {
    hn::Vec<DF> x = kFull ? load_as_float(df, at.acc) : load_tail(df, at.acc, n);
    if constexpr (kHasResidual) {
      x = step.apply(df, x, factors, kFull ? load_as_float(df, at.res) : load_tail(df, at.res, n));
    } else {
      x = step.apply(df, x, factors, NoResidual());
    }
    HWY_ALIGN Dst tail[HWY_MAX_BYTES / sizeof(float)];
    Dst* to = kFull ? at.out : tail;
    if constexpr (std::is_same_v<Dst, float>) {
      step.store_float(df, x, to);
    } else {
      step.store_byte(df, x, to);
    }
    if constexpr (!kFull) std::copy_n(tail, n, at.out);
  }
}

// All rows of two vectors of channels that are stored as bytes.
template <class R, class DF, class Acc, class StepT>
HWY_INLINE void epilogue_byte_pair(DF df, const Epilogue& e, const EpilogueTile<Acc>& t, const StepT& step, int64_t c) {
  constexpr bool kHasResidual = !std::is_same_v<R, NoResidual>;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  const int64_t channel = t.first_channel + c;
  const auto factors0 = load_factors(df, e, channel, step.folded, step.zero);
  const auto factors1 = load_factors(df, e, channel + lanes, step.folded, step.zero);
  TileRows<R, uint8_t, Acc> at(e, t, c);
  for (int64_t r = 0, rows = t.rows; r < rows; ++r, at.next()) {
    auto x0 = load_as_float(df, at.acc);
    auto x1 = load_as_float(df, at.acc + lanes);
    if constexpr (kHasResidual) {
      x0 = step.apply(df, x0, factors0, load_as_float(df, at.res));
      x1 = step.apply(df, x1, factors1, load_as_float(df, at.res + lanes));
    } else {
      x0 = step.apply(df, x0, factors0, NoResidual());
      x1 = step.apply(df, x1, factors1, NoResidual());
    }
    step.store_pair(df, x0, x1, at.out);
  }
}

#if HWY_TARGET == HWY_AVX3
// All rows of four vectors of channels that are stored as bytes.
template <class R, class Byte, class DF, class Acc, class StepT>
HWY_INLINE void epilogue_byte_quad(DF df, const Epilogue& e, const EpilogueTile<Acc>& t, const StepT& step, int64_t c) {
  constexpr bool kHasResidual = !std::is_same_v<R, NoResidual>;
  constexpr int64_t kLanes = hn::MaxLanes(DF());
  const int64_t channel = t.first_channel + c;
  const ChannelFactors<DF> factors[4] = {load_factors(df, e, channel, step.folded, step.zero),
                                         load_factors(df, e, channel + kLanes, step.folded, step.zero),
                                         load_factors(df, e, channel + 2 * kLanes, step.folded, step.zero),
                                         load_factors(df, e, channel + 3 * kLanes, step.folded, step.zero)};
  const auto low = hn::Set(hn::Repartition<Byte, DF>(), static_cast<Byte>(std::nearbyint(step.low_edge)));
  TileRows<R, uint8_t, Acc> at(e, t, c);
  for (int64_t r = 0, rows = t.rows; r < rows; ++r, at.next()) {
    hn::Vec<DF> q[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const auto x = load_as_float(df, at.acc + v * kLanes);
      if constexpr (kHasResidual) {
        q[v] = step.in_steps(step.apply(df, x, factors[v], load_as_float(df, at.res + v * kLanes)));
      } else {
        q[v] = step.in_steps(step.apply(df, x, factors[v], NoResidual()));
      }
    }
    const hn::Repartition<Byte, DF> d8;
    hn::StoreU(byte_quad<Byte>(df, q[0], q[1], q[2], q[3], low), d8, reinterpret_cast<Byte*>(at.out));
  }
}
#endif

template <class R, class Dst, template <class> class Step, class Acc>
HWY_NOINLINE void epilogue_tile_as(const Epilogue& e, const EpilogueTile<Acc>& t) {
  using DF = hn::ScalableTag<float>;
  const DF df;
  const Step<DF> step(df, e);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t c = 0;
  if constexpr (std::is_same_v<Dst, uint8_t>) {
#if HWY_TARGET == HWY_AVX3
    for (; c + 4 * lanes <= t.channels; c += 4 * lanes) {
      e.dst_elem == Elem::S8 ? epilogue_byte_quad<R, int8_t>(df, e, t, step, c)
                             : epilogue_byte_quad<R, uint8_t>(df, e, t, step, c);
    }
#endif
    for (; c + 2 * lanes <= t.channels; c += 2 * lanes) epilogue_byte_pair<R>(df, e, t, step, c);
  }
  for (; c + lanes <= t.channels; c += lanes) epilogue_column<true, R, Dst>(df, e, t, step, c, lanes);
  if (c < t.channels) epilogue_column<false, R, Dst>(df, e, t, step, c, t.channels - c);
}

template <class R, class Acc>
HWY_INLINE void epilogue_tile_with(const Epilogue& e, const EpilogueTile<Acc>& t) {
  const bool clamps = only_clamps(e);
  if (e.dst_elem == Elem::F32) {
    return clamps ? epilogue_tile_as<R, float, ClampStep>(e, t) : epilogue_tile_as<R, float, GeneralStep>(e, t);
  }
  return clamps ? epilogue_tile_as<R, uint8_t, ClampStep>(e, t) : epilogue_tile_as<R, uint8_t, GeneralStep>(e, t);
}

// Applies the epilogue to a tile of accumulators (int32_t or float) and stores it. Reads exactly the tile's
// channels.
template <class Acc>
HWY_INLINE void epilogue_tile(const Epilogue& e, const EpilogueTile<Acc>& t) {
  if (!e.residual) return epilogue_tile_with<NoResidual>(e, t);
  switch (e.residual_elem) {
    case Elem::F32:
      return epilogue_tile_with<float>(e, t);
    case Elem::S8:
      return epilogue_tile_with<int8_t>(e, t);
    case Elem::U8:
      return epilogue_tile_with<uint8_t>(e, t);
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
