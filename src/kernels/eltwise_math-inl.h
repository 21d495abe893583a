// SPDX-License-Identifier: Apache-2.0
// Float functions on vectors, for the kernels of this folder; included once per instruction set (see Highway's
// skeleton-inl.h). Relative errors are below 1e-6 unless a comment says otherwise; tests/kernels/eltwise_test.cpp holds them.
#if defined(TFENGINE_KERNELS_ELTWISE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_ELTWISE_MATH_INL_H_
#undef TFENGINE_KERNELS_ELTWISE_MATH_INL_H_
#else
#define TFENGINE_KERNELS_ELTWISE_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/eltwise.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Adding this to |x| < 2^22 leaves the nearest integer (half to even) in the low bits of the mantissa: 1.5 * 2^23.
inline constexpr float kRoundMagic = 12582912.0f;

// For |x| < 2^22 only. Cheaper than NearestInt, which also mends what the hardware makes of large numbers.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE hn::Vec<hn::RebindToSigned<DF>> round_small(DF df, VF x) {
  const hn::RebindToSigned<DF> di;
  const auto magic = hn::Set(df, kRoundMagic);
  return hn::Sub(hn::BitCast(di, hn::Add(x, magic)), hn::BitCast(di, magic));
}

// e^r * 2^n for |r| <= ln(2) / 2, n and its integer e; coefficients of Highway's Exp. kSmall: the result is known to be a normal
// number, which saves scaling in two steps.
template <bool kSmall, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF exp_scaled(DF df, VF r, hn::Vec<hn::RebindToSigned<DF>> e) {
  const hn::RebindToSigned<DF> di;
  auto p = hn::MulAdd(hn::Set(df, 0.000198527617612853646278381f), r, hn::Set(df, 0.00139304355252534151077271f));
  p = hn::MulAdd(p, r, hn::Set(df, 0.00833336077630519866943359f));
  p = hn::MulAdd(p, r, hn::Set(df, 0.0416664853692054748535156f));
  p = hn::MulAdd(p, r, hn::Set(df, 0.166666671633720397949219f));
  p = hn::MulAdd(p, r, hn::Set(df, 0.5f));
  p = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(df, 1.0f));
  if constexpr (kSmall) return hn::BitCast(df, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(e)));
  const auto half = hn::ShiftRight<1>(e);
  const auto bias = hn::Set(di, 127);
  p = hn::Mul(p, hn::BitCast(df, hn::ShiftLeft<23>(hn::Add(half, bias))));
  return hn::Mul(p, hn::BitCast(df, hn::ShiftLeft<23>(hn::Add(hn::Sub(e, half), bias))));
}

// e^(a + b), which is as exact as b is where b is small: a does not lose the bits that it has below the sum's last one.
template <bool kSmall, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF exp_of_sum(DF df, VF a, VF b) {
  const hn::RebindToSigned<DF> di;
  const auto magic = hn::Set(df, kRoundMagic);
  const auto t = hn::MulAdd(hn::Add(a, b), hn::Set(df, 1.44269504088896341f), magic);
  const auto n = hn::Sub(t, magic);
  const auto whole = hn::Add(hn::MulAdd(n, hn::Set(df, -0.693145751953125f), a), b);
  const auto r = hn::MulAdd(n, hn::Set(df, -1.428606765330187045e-6f), whole);
  return exp_scaled<kSmall>(df, r, hn::Sub(hn::BitCast(di, t), hn::BitCast(di, magic)));
}

template <bool kSmall, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF exp_clamped(DF df, VF x) {
  const hn::RebindToSigned<DF> di;
  const auto magic = hn::Set(df, kRoundMagic);
  const auto t = hn::MulAdd(x, hn::Set(df, 1.44269504088896341f), magic);
  const auto n = hn::Sub(t, magic);
  auto r = hn::MulAdd(n, hn::Set(df, -0.693145751953125f), x);
  r = hn::MulAdd(n, hn::Set(df, -1.428606765330187045e-6f), r);
  return exp_scaled<kSmall>(df, r, hn::Sub(hn::BitCast(di, t), hn::BitCast(di, magic)));
}

// Operands in this order keep a NaN of x: x86's minimum and maximum return the second operand then.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF clamp_keep_nan(DF df, VF x, float low, float high) {
  return hn::Min(hn::Set(df, high), hn::Max(hn::Set(df, low), x));
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_exp(DF df, VF x) {
  return exp_clamped<false>(df, clamp_keep_nan(df, x, -104.0f, 89.0f));
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_sigmoid(DF df, VF x) {
  const auto one = hn::Set(df, 1.0f);
  // Beyond +-87 the result is 0 or 1 within 1e-37.
  return hn::Div(one, hn::Add(one, exp_clamped<true>(df, clamp_keep_nan(df, hn::Neg(x), -87.0f, 87.0f))));
}

// Rational approximation of Eigen (generic_fast_tanh_float), x * P(x^2) / Q(x^2).
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_tanh(DF df, VF x) {
  const auto c = clamp_keep_nan(df, x, -7.99881172180175781f, 7.99881172180175781f);
  const auto z = hn::Mul(c, c);
  auto p = hn::MulAdd(hn::Set(df, -2.76076847742355e-16f), z, hn::Set(df, 2.00018790482477e-13f));
  p = hn::MulAdd(p, z, hn::Set(df, -8.60467152213735e-11f));
  p = hn::MulAdd(p, z, hn::Set(df, 5.12229709037114e-08f));
  p = hn::MulAdd(p, z, hn::Set(df, 1.48572235717979e-05f));
  p = hn::MulAdd(p, z, hn::Set(df, 6.37261928875436e-04f));
  p = hn::MulAdd(p, z, hn::Set(df, 4.89352455891786e-03f));
  auto q = hn::MulAdd(hn::Set(df, 1.19825839466702e-06f), z, hn::Set(df, 1.18534705686654e-04f));
  q = hn::MulAdd(q, z, hn::Set(df, 2.26843463243900e-03f));
  q = hn::MulAdd(q, z, hn::Set(df, 4.89352518554385e-03f));
  const auto tiny = hn::Lt(hn::Abs(x), hn::Set(df, 0.0004f));  // there tanh(x) == x in float
  return hn::IfThenElse(tiny, x, hn::Div(hn::Mul(c, p), q));
}

// erfc for x >= 0: t * exp(-x^2 + polynomial(t)), t = 1 / (1 + x / 2) (Numerical Recipes, erfcc; 1.2e-7). The rounding
// error of x^2 is carried along, else it would be the largest error for large x.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF erfc_positive(DF df, VF x) {
  const auto one = hn::Set(df, 1.0f);
  // A step of Newton's method doubles the 11 bits or more that the CPU's estimate has; a division would take as long as a third
  // of the rest.
  const auto divisor = hn::MulAdd(x, hn::Set(df, 0.5f), one);
  const auto estimate = hn::ApproximateReciprocal(divisor);
  const auto t = hn::MulAdd(estimate, hn::NegMulAdd(divisor, estimate, one), estimate);
  auto p = hn::MulAdd(hn::Set(df, 0.17087277f), t, hn::Set(df, -0.82215223f));
  p = hn::MulAdd(p, t, hn::Set(df, 1.48851587f));
  p = hn::MulAdd(p, t, hn::Set(df, -1.13520398f));
  p = hn::MulAdd(p, t, hn::Set(df, 0.27886807f));
  p = hn::MulAdd(p, t, hn::Set(df, -0.18628806f));
  p = hn::MulAdd(p, t, hn::Set(df, 0.09678418f));
  p = hn::MulAdd(p, t, hn::Set(df, 0.37409196f));
  p = hn::MulAdd(p, t, hn::Set(df, 1.00002368f));
  p = hn::MulAdd(p, t, hn::Set(df, -1.26551223f));
  // Splitting x into 12 leading bits and the rest makes both products exact without a fused multiply-add.
  const hn::RebindToUnsigned<DF> du;
  const auto high = hn::BitCast(df, hn::And(hn::BitCast(du, x), hn::Set(du, 0xFFFFF000u)));
  const auto rest = hn::Mul(hn::Sub(x, high), hn::Add(x, high));
  return hn::Mul(t, exp_of_sum<false>(df, hn::Neg(hn::Mul(high, high)), hn::Sub(p, rest)));
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_erfc(DF df, VF x) {
  // exp(-x^2) is 0 in float from 10.2 on.
  const auto y = erfc_positive(df, hn::Min(hn::Set(df, 11.0f), hn::Abs(x)));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(df)), hn::Sub(hn::Set(df, 2.0f), y), y);
}

// Rational approximation of Eigen (generic_fast_erf_float); 1 beyond +-4 within 2e-8.
template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_erf(DF df, VF x) {
  const auto c = clamp_keep_nan(df, x, -4.0f, 4.0f);
  const auto z = hn::Mul(c, c);
  auto p = hn::MulAdd(hn::Set(df, -2.72614225801306e-10f), z, hn::Set(df, 2.77068142495902e-08f));
  p = hn::MulAdd(p, z, hn::Set(df, -2.10102402082508e-06f));
  p = hn::MulAdd(p, z, hn::Set(df, -5.69250639462346e-05f));
  p = hn::MulAdd(p, z, hn::Set(df, -7.34990630326855e-04f));
  p = hn::MulAdd(p, z, hn::Set(df, -2.95459980854025e-03f));
  p = hn::MulAdd(p, z, hn::Set(df, -1.60960333262415e-02f));
  auto q = hn::MulAdd(hn::Set(df, -1.45660718464996e-05f), z, hn::Set(df, -2.13374055278905e-04f));
  q = hn::MulAdd(q, z, hn::Set(df, -1.68282697438203e-03f));
  q = hn::MulAdd(q, z, hn::Set(df, -7.37332916720468e-03f));
  q = hn::MulAdd(q, z, hn::Set(df, -1.42647390514189e-02f));
  return hn::Div(hn::Mul(c, p), q);
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_log(DF df, VF x) {
  const auto inf = hn::Inf(df);
  auto y = hn::Log(df, x);
  y = hn::IfThenElse(hn::Lt(x, hn::Zero(df)), hn::NaN(df), y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(df)), hn::Neg(inf), y);
  return hn::IfThenElse(hn::Lt(x, inf), y, x);  // infinity and NaN are their own logarithms
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_softplus(DF df, VF x) {
  const auto y = hn::Log1p(df, exp_clamped<true>(df, clamp_keep_nan(df, hn::Neg(hn::Abs(x)), -87.0f, 0.0f)));
  return hn::Add(hn::Max(hn::Zero(df), x), y);
}

template <class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF fast_elu(DF df, VF x, VF alpha) {
  const auto negative = hn::Mul(alpha, hn::Expm1(df, clamp_keep_nan(df, x, -88.0f, 0.0f)));
  return hn::IfThenElse(hn::Gt(x, hn::Zero(df)), x, negative);
}

// The value of one unary operation; kOp is a constant so that a loop over a block has no branch inside.
template <EltwiseOp kOp, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF unary_op(DF df, VF x, VF alpha, VF beta) {
  const auto zero = hn::Zero(df);
  const auto one = hn::Set(df, 1.0f);
  const auto half = hn::Set(df, 0.5f);
  using Op = EltwiseOp;
  if constexpr (kOp == Op::Identity) return x;
  if constexpr (kOp == Op::Abs) return hn::Abs(x);
  if constexpr (kOp == Op::Neg) return hn::Neg(x);
  if constexpr (kOp == Op::Square) return hn::Mul(x, x);
  if constexpr (kOp == Op::Sqrt) return hn::Sqrt(x);
  if constexpr (kOp == Op::Rsqrt) return hn::Div(one, hn::Sqrt(x));
  if constexpr (kOp == Op::Exp) return fast_exp(df, x);
  if constexpr (kOp == Op::Log) return fast_log(df, x);
  if constexpr (kOp == Op::Sigmoid) return fast_sigmoid(df, x);
  if constexpr (kOp == Op::Tanh) return fast_tanh(df, x);
  if constexpr (kOp == Op::Erf) return fast_erf(df, x);
  if constexpr (kOp == Op::Erfc) return fast_erfc(df, x);
  if constexpr (kOp == Op::Relu) return hn::Max(zero, x);
  if constexpr (kOp == Op::Relu6) return clamp_keep_nan(df, x, 0.0f, 6.0f);
  if constexpr (kOp == Op::Clip) return hn::Min(beta, hn::Max(alpha, x));
  if constexpr (kOp == Op::LeakyRelu) return hn::IfThenElse(hn::Gt(x, zero), x, hn::Mul(x, alpha));
  if constexpr (kOp == Op::Elu) return fast_elu(df, x, alpha);
  if constexpr (kOp == Op::Selu) {
    return hn::Mul(hn::Set(df, 1.0507009873554805f), fast_elu(df, x, hn::Set(df, 1.6732632423543772f)));
  }
  if constexpr (kOp == Op::Softplus) return fast_softplus(df, x);
  if constexpr (kOp == Op::Softsign) return hn::Div(x, hn::Add(one, hn::Abs(x)));
  if constexpr (kOp == Op::HardSwish || kOp == Op::HardSigmoid) {
    const auto gate = hn::Mul(clamp_keep_nan(df, hn::Add(x, hn::Set(df, 3.0f)), 0.0f, 6.0f), hn::Set(df, 1.0f / 6.0f));
    return kOp == Op::HardSwish ? hn::Mul(x, gate) : gate;
  }
  if constexpr (kOp == Op::Swish) return hn::Mul(x, fast_sigmoid(df, x));
  if constexpr (kOp == Op::GeluErf) {
    return hn::Mul(hn::Mul(half, x), hn::Add(one, fast_erf(df, hn::Mul(x, hn::Set(df, 0.70710678118654752f)))));
  }
  if constexpr (kOp == Op::GeluTanh) {
    const auto inner = hn::MulAdd(hn::Mul(hn::Mul(x, x), hn::Set(df, 0.044715f)), x, x);
    return hn::Mul(hn::Mul(half, x), hn::Add(one, fast_tanh(df, hn::Mul(inner, hn::Set(df, 0.79788456080286536f)))));
  }
  if constexpr (kOp == Op::Reciprocal) return hn::Div(one, x);
  if constexpr (kOp == Op::Floor) return hn::Floor(x);
  if constexpr (kOp == Op::Ceil) return hn::Ceil(x);
  if constexpr (kOp == Op::Round) return hn::Round(x);
  if constexpr (kOp == Op::Sign) {
    return hn::IfThenElse(hn::Gt(x, zero), one, hn::IfThenElse(hn::Lt(x, zero), hn::Neg(one), x));
  }
  if constexpr (kOp == Op::Affine) return hn::MulAdd(x, alpha, beta);
  return x;
}

template <EltwiseOp kOp, class DF, class VF = hn::Vec<DF>>
HWY_INLINE VF binary_op(DF, VF a, VF b) {
  using Op = EltwiseOp;
  if constexpr (kOp == Op::Add) return hn::Add(a, b);
  if constexpr (kOp == Op::Sub) return hn::Sub(a, b);
  if constexpr (kOp == Op::Mul) return hn::Mul(a, b);
  if constexpr (kOp == Op::Div) return hn::Div(a, b);
  if constexpr (kOp == Op::Max) return hn::Max(a, b);
  if constexpr (kOp == Op::Min) return hn::Min(a, b);
  const auto difference = hn::Sub(a, b);
  return hn::Mul(difference, difference);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
