// SPDX-License-Identifier: Apache-2.0
#include "kernels/math_f32.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/math_f32.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// Behind foreach_target.h, which includes this file once more per instruction set.
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;

template <class F>
HWY_INLINE void map_block(int64_t n, const float* src, float* dst, F f) {
  const DF df;
  const auto lanes = static_cast<int64_t>(hn::Lanes(df));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(df, hn::LoadU(df, src + i)), df, dst + i);
  if (i == n) return;
  // The last, partial vector, filled up with an argument that is in every function's domain.
  HWY_ALIGN float rest[HWY_MAX_BYTES / sizeof(float)];
  std::fill_n(rest, lanes, src[i]);
  std::copy(src + i, src + n, rest);
  hn::Store(f(df, hn::Load(df, rest)), df, rest);
  std::copy_n(rest, n - i, dst + i);
}

void math_block(MathOp op, int64_t n, const float* src, float* dst) {
  switch (op) {
    case MathOp::Sin:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Sin(d, x); });
    case MathOp::Cos:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Cos(d, x); });
    case MathOp::Tan:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Div(hn::Sin(d, x), hn::Cos(d, x)); });
    case MathOp::Asin:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Asin(d, x); });
    case MathOp::Acos:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Acos(d, x); });
    case MathOp::Atan:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Atan(d, x); });
    case MathOp::Sinh:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Sinh(d, x); });
    case MathOp::Cosh:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR {
        const auto half = hn::Set(d, 0.5f);
        const auto e = hn::Exp(d, x);
        return hn::MulAdd(half, e, hn::Div(half, e));
      });
    case MathOp::Asinh:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Asinh(d, x); });
    case MathOp::Acosh:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Acosh(d, x); });
    case MathOp::Atanh:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Atanh(d, x); });
    case MathOp::Expm1:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Expm1(d, x); });
    default:
      return map_block(n, src, dst, [](DF d, auto x) HWY_ATTR { return hn::Log1p(d, x); });
  }
}

// For finite numbers that are not both 0: the arcus tangent of the smaller over the larger, put into its octant.
void atan2_block(int64_t n, const float* y_in, const float* x_in, float* dst) {
  const DF d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto angle = [d](auto y, auto x) HWY_ATTR {
    const auto ay = hn::Abs(y), ax = hn::Abs(x);
    const auto steep = hn::Gt(ay, ax);
    auto a = hn::Atan(d, hn::Div(hn::Min(ay, ax), hn::Max(ay, ax)));
    a = hn::IfThenElse(steep, hn::Sub(hn::Set(d, 1.57079632679489662f), a), a);
    a = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(hn::Set(d, 3.14159265358979324f), a), a);
    return hn::CopySign(a, y);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(angle(hn::LoadU(d, y_in + i), hn::LoadU(d, x_in + i)), d, dst + i);
  for (; i < n; ++i) dst[i] = std::atan2(y_in[i], x_in[i]);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(math_block);
HWY_EXPORT(atan2_block);

// Arguments for which the vectors are as good as the standard library's functions.
struct Domain {
  float low, high;
};
constexpr Domain domain_of(MathOp op) {
  switch (op) {
    case MathOp::Sin:
    case MathOp::Cos:
    case MathOp::Tan:
      return {-30000.0f, 30000.0f};
    case MathOp::Asin:
    case MathOp::Acos:
      return {-1.0f, 1.0f};
    case MathOp::Atan:
    case MathOp::Asinh:
      return {-1e18f, 1e18f};
    case MathOp::Sinh:
    case MathOp::Cosh:
      return {-80.0f, 80.0f};
    case MathOp::Acosh:
      return {1.0f, 1e18f};
    case MathOp::Atanh:
      return {-0.9999f, 0.9999f};
    case MathOp::Expm1:
      return {-80.0f, 80.0f};
    case MathOp::Log1p:
      return {-0.9f, 1e30f};
    default:
      return {1.0f, 0.0f};  // no vectors
  }
}

float one(MathOp op, float x) {
  switch (op) {
    case MathOp::Sin:
      return std::sin(x);
    case MathOp::Cos:
      return std::cos(x);
    case MathOp::Tan:
      return std::tan(x);
    case MathOp::Asin:
      return std::asin(x);
    case MathOp::Acos:
      return std::acos(x);
    case MathOp::Atan:
      return std::atan(x);
    case MathOp::Sinh:
      return std::sinh(x);
    case MathOp::Cosh:
      return std::cosh(x);
    case MathOp::Asinh:
      return std::asinh(x);
    case MathOp::Acosh:
      return std::acosh(x);
    case MathOp::Atanh:
      return std::atanh(x);
    case MathOp::Expm1:
      return std::expm1(x);
    case MathOp::Log1p:
      return std::log1p(x);
    default: {
      int sign = 0;  // lgamma() writes a global, which threads share
      return lgammaf_r(x, &sign);
    }
  }
}

constexpr int64_t kBlock = 512;

}  // namespace

double math_ns(MathOp op) {
  const Domain domain = domain_of(op);
  return domain.low > domain.high ? 10.0 : 1.5;
}

void math_f32(MathOp op, int64_t count, const float* src, float* dst, int threads) {
  const Domain domain = domain_of(op);
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  const double ns = math_ns(op) * static_cast<double>(count);
  parallel_ranges(blocks, useful_threads(threads, ns, blocks), [&](int64_t begin, int64_t end, int) {
    for (int64_t block = begin; block < end; ++block) {
      const float* x = src + block * kBlock;
      float* y = dst + block * kBlock;
      const int64_t n = std::min(kBlock, count - block * kBlock);
      int inside = 1;
      for (int64_t i = 0; i < n; ++i)
        inside &= static_cast<int>(x[i] >= domain.low) & static_cast<int>(x[i] <= domain.high);
      if (inside != 0) {
        HWY_DYNAMIC_DISPATCH(math_block)(op, n, x, y);
      } else {
        for (int64_t i = 0; i < n; ++i) y[i] = one(op, x[i]);
      }
    }
  });
}

void atan2_f32(int64_t count, const float* y, const float* x, float* dst, int threads) {
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  parallel_ranges(blocks, useful_threads(threads, 2.0 * static_cast<double>(count), blocks),
                  [&](int64_t begin, int64_t end, int) {
                    for (int64_t block = begin; block < end; ++block) {
                      const int64_t first = block * kBlock, n = std::min(kBlock, count - first);
                      int plain = 1;
                      for (int64_t i = first; i < first + n; ++i) {
                        const float ax = std::fabs(x[i]), ay = std::fabs(y[i]), most = ax > ay ? ax : ay;
                        plain &= static_cast<int>(most > 1e-30f) & static_cast<int>(most < 1e30f) &
                                 static_cast<int>(x[i] == x[i]) & static_cast<int>(y[i] == y[i]);
                      }
                      if (plain != 0) {
                        HWY_DYNAMIC_DISPATCH(atan2_block)(n, y + first, x + first, dst + first);
                      } else {
                        for (int64_t i = first; i < first + n; ++i) dst[i] = std::atan2(y[i], x[i]);
                      }
                    }
                  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
