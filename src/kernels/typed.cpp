// SPDX-License-Identifier: Apache-2.0
#include "kernels/typed.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>

#include "kernels/num.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/typed.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/divide-inl.h"

#ifndef TFENGINE_KERNELS_TYPED_ONCE
#define TFENGINE_KERNELS_TYPED_ONCE
namespace tfengine::kernels {

inline bool divides(TypedOp op) {
  return op == TypedOp::Div || op == TypedOp::TruncateDiv || op == TypedOp::FloorDiv || op == TypedOp::FloorMod ||
         op == TypedOp::TruncateMod;
}
inline bool is_unary(TypedOp op) { return op <= TypedOp::IsFinite; }
inline bool is_comparison(TypedOp op) { return op >= TypedOp::Equal && op <= TypedOp::LessEqual; }

}  // namespace tfengine::kernels
#endif

// Plain loops, which the compiler turns into each instruction set's vectors.
HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {

// Calls row(offsets of the operands, first, count) for runs along the innermost axis, shared by threads.
template <int kOperands, class Row>
void for_rows(const TypedShape& shape, double ns_per_element, int threads, Row&& row) {
  TypedShape s = shape;
  s.rank = merge_axes(s.rank, s.dims, s.strides, kOperands);
  const int inner = s.rank - 1;
  int64_t runs = 1;
  for (int i = 0; i < inner; ++i) runs *= s.dims[i];
  const int64_t run = s.dims[inner];
  if (runs * run <= 0) return;
  constexpr int64_t kPiece = 8192;
  const int64_t pieces = (run + kPiece - 1) / kPiece;
  const double ns = ns_per_element * static_cast<double>(runs * run) + 5.0 * static_cast<double>(runs);
  parallel_ranges(runs * pieces, useful_threads(threads, ns, runs * pieces), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = i / pieces;
      const int64_t line = index, first = i % pieces * kPiece;
      int64_t at[kOperands];
      for (int k = 0; k < kOperands; ++k) at[k] = first * s.strides[k][inner];
      for (int axis = inner - 1; axis >= 0 && index > 0; --axis) {
        const int64_t position = index % s.dims[axis];
        index /= s.dims[axis];
        for (int k = 0; k < kOperands; ++k) at[k] += position * s.strides[k][axis];
      }
      int64_t step[kOperands];
      for (int k = 0; k < kOperands; ++k) step[k] = s.strides[k][inner];
      row(at, step, line * run + first, std::min(kPiece, run - first));
    }
  });
}

template <class T, class R, class F>
void unary(const TypedShape& shape, const void* const* operands, void* dst, double ns, int threads, F f) {
  const T* a = static_cast<const T*>(operands[0]);
  R* y = static_cast<R*>(dst);
  for_rows<1>(shape, ns, threads, [&](const int64_t* at, const int64_t* step, int64_t first, int64_t n) {
    const T* x = a + at[0];
    R* to = y + first;
    if (step[0] == 1) {
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(x[i]));
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(x[i * step[0]]));
    }
  });
}

template <class T>
bool has_zero(const T* x, int64_t step, int64_t n) {
  if (step == 0) n = std::min<int64_t>(n, 1);
  int32_t zeros = 0;
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) zeros |= static_cast<int32_t>(x[i] == T(0));
  } else {
    for (int64_t i = 0; i < n; ++i) zeros |= static_cast<int32_t>(x[i * step] == T(0));
  }
  return zeros != 0;
}

// `zero`: set where an element of the second operand is 0; such runs are left out.
template <class T, class R, class F>
void binary(const TypedShape& shape, const void* const* operands, void* dst, double ns, int threads, F f,
            std::atomic<bool>* zero = nullptr) {
  const T *a = static_cast<const T*>(operands[0]), *b = static_cast<const T*>(operands[1]);
  R* y = static_cast<R*>(dst);
  for_rows<2>(shape, ns, threads, [&](const int64_t* at, const int64_t* step, int64_t first, int64_t n) {
    const T *l = a + at[0], *r = b + at[1];
    R* to = y + first;
    if (zero != nullptr && has_zero(r, step[1], n)) {
      *zero = true;
      return;
    }
    if (step[0] == 1 && step[1] == 1) {
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(l[i], r[i]));
    } else if (step[0] == 1 && step[1] == 0) {
      const T fixed = *r;
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(l[i], fixed));
    } else if (step[0] == 0 && step[1] == 1) {
      const T fixed = *l;
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(fixed, r[i]));
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<R>(f(l[i * step[0]], r[i * step[1]]));
    }
  });
}

template <class T>
void select(const TypedShape& shape, const void* const* operands, void* dst, int threads) {
  const uint8_t* flags = static_cast<const uint8_t*>(operands[0]);
  const T *a = static_cast<const T*>(operands[1]), *b = static_cast<const T*>(operands[2]);
  T* y = static_cast<T*>(dst);
  for_rows<3>(shape, 0.3, threads, [&](const int64_t* at, const int64_t* step, int64_t first, int64_t n) {
    const uint8_t* c = flags + at[0];
    const T *yes = a + at[1], *no = b + at[2];
    T* to = y + first;
    if (step[0] == 1 && step[1] == 1 && step[2] == 1) {
      for (int64_t i = 0; i < n; ++i) to[i] = c[i] != 0 ? yes[i] : no[i];
    } else if (step[0] == 1 && step[1] == 0 && step[2] == 1) {
      const T fixed = *yes;
      for (int64_t i = 0; i < n; ++i) to[i] = c[i] != 0 ? fixed : no[i];
    } else if (step[0] == 1 && step[1] == 1 && step[2] == 0) {
      const T fixed = *no;
      for (int64_t i = 0; i < n; ++i) to[i] = c[i] != 0 ? yes[i] : fixed;
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = c[i * step[0]] != 0 ? yes[i * step[1]] : no[i * step[2]];
    }
  });
}

template <class T>
void clamp(const TypedShape& shape, const void* const* operands, void* dst, int threads) {
  const T* in[3];
  for (int k = 0; k < 3; ++k) in[k] = static_cast<const T*>(operands[k]);
  T* y = static_cast<T*>(dst);
  for_rows<3>(shape, 0.3, threads, [&](const int64_t* at, const int64_t* step, int64_t first, int64_t n) {
    const T *x = in[0] + at[0], *low = in[1] + at[1], *high = in[2] + at[2];
    T* to = y + first;
    if (step[0] == 1 && step[1] == 0 && step[2] == 0) {
      const T l = *low, h = *high;
      for (int64_t i = 0; i < n; ++i) {
        const T raised = x[i] < l ? l : x[i];
        to[i] = h < raised ? h : raised;
      }
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      const T raised = x[i * step[0]] < low[i * step[1]] ? low[i * step[1]] : x[i * step[0]];
      to[i] = high[i * step[2]] < raised ? high[i * step[2]] : raised;
    }
  });
}

template <class T>
void run_unary(TypedOp op, const TypedShape& s, const void* const* in, void* dst, int threads) {
  using W = Wrapping<T>;
  const double ns = typed_ns(op);
  switch (op) {
    case TypedOp::Neg:
      return unary<T, T>(s, in, dst, ns, threads, [](T x) { return static_cast<T>(W(0) - W(x)); });
    case TypedOp::Abs:
      if constexpr (std::is_floating_point_v<T>)
        return unary<T, T>(s, in, dst, ns, threads, [](T x) { return std::fabs(x); });
      else
        return unary<T, T>(s, in, dst, ns, threads, [](T x) { return x < T(0) ? static_cast<T>(W(0) - W(x)) : x; });
    case TypedOp::Sign:
      return unary<T, T>(s, in, dst, ns, threads, [](T x) { return static_cast<T>((x > T(0)) - (x < T(0))); });
    case TypedOp::Square:
      return unary<T, T>(s, in, dst, ns, threads, [](T x) { return static_cast<T>(W(x) * W(x)); });
    case TypedOp::Not:
      return unary<uint8_t, uint8_t>(s, in, dst, ns, threads, [](uint8_t x) { return static_cast<uint8_t>(x ^ 1); });
    case TypedOp::Invert:
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
        return unary<T, T>(s, in, dst, ns, threads, [](T x) { return static_cast<T>(~x); });
      return;
    default:
      break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    constexpr T top = std::numeric_limits<T>::max();
    if (op == TypedOp::IsNan) return unary<T, uint8_t>(s, in, dst, ns, threads, [](T x) { return x != x; });
    if (op == TypedOp::IsInf) {
      return unary<T, uint8_t>(s, in, dst, ns, threads, [](T x) { return (x > top) | (x < -top); });
    }
    unary<T, uint8_t>(s, in, dst, ns, threads, [](T x) { return (x <= top) & (x >= -top); });
  }
}

template <class T>
void run_real(TypedOp op, const TypedShape& s, const void* const* in, void* dst, int threads) {
  const double ns = typed_ns(op);
  const auto go = [&](auto f) { binary<T, T>(s, in, dst, ns, threads, f); };
  switch (op) {
    case TypedOp::TruncateDiv:
      return go([](T a, T b) { return std::trunc(a / b); });
    case TypedOp::DivNoNan:
      return go([](T a, T b) { return b == 0 ? T(0) : a / b; });
    case TypedOp::MulNoNan:
      return go([](T a, T b) { return b == 0 ? T(0) : a * b; });
    case TypedOp::Xdivy:
      return go([](T a, T b) { return a == 0 ? T(0) : a / b; });
    case TypedOp::Pow:
      return go([](T a, T b) { return std::pow(a, b); });
    case TypedOp::Atan2:
      return go([](T a, T b) { return std::atan2(a, b); });
    case TypedOp::Xlogy:
      return go([](T a, T b) { return a == 0 ? T(0) : a * std::log(b); });
    default:
      return go([](T a, T b) { return a == 0 ? T(0) : a * std::log1p(b); });
  }
}

template <bool kFloor>
void remainders(const TypedShape& shape, const void* const* operands, void* dst, double ns, int threads) {
  const auto *a = static_cast<const float*>(operands[0]), *b = static_cast<const float*>(operands[1]);
  for_rows<2>(shape, ns, threads, [&](const int64_t* at, const int64_t* step, int64_t first, int64_t n) {
    remainder_row<kFloor>(a + at[0], step[0], b + at[1], step[1], n, static_cast<float*>(dst) + first);
  });
}

template <class T>
void run_arithmetic(TypedOp op, const TypedShape& s, const void* const* in, void* dst, int threads,
                    std::atomic<bool>* zero) {
  using W = Wrapping<T>;
  const double ns = typed_ns(op);
  const auto go = [&](auto f) { binary<T, T>(s, in, dst, ns, threads, f, zero); };
  switch (op) {
    case TypedOp::Add:
      return go([](T a, T b) { return static_cast<T>(W(a) + W(b)); });
    case TypedOp::Sub:
      return go([](T a, T b) { return static_cast<T>(W(a) - W(b)); });
    case TypedOp::Mul:
      return go([](T a, T b) { return static_cast<T>(W(a) * W(b)); });
    case TypedOp::SquaredDifference:
      return go([](T a, T b) {
        const W d = static_cast<W>(W(a) - W(b));
        return static_cast<T>(d * d);
      });
    case TypedOp::Max:
      return go([](T a, T b) { return a < b ? b : a; });
    case TypedOp::Min:
      return go([](T a, T b) { return b < a ? b : a; });
    case TypedOp::FloorDiv:
      return go([](T a, T b) { return floor_div(a, b); });
    case TypedOp::FloorMod:
      if constexpr (std::is_same_v<T, float>) return remainders<true>(s, in, dst, ns, threads);
      return go([](T a, T b) { return floor_mod(a, b); });
    case TypedOp::TruncateMod:
      if constexpr (std::is_same_v<T, float>) return remainders<false>(s, in, dst, ns, threads);
      return go([](T a, T b) { return remainder_of(a, b); });
    case TypedOp::Div:
    case TypedOp::TruncateDiv:
      if constexpr (std::is_floating_point_v<T>) {
        if (op == TypedOp::Div) return go([](T a, T b) { return a / b; });
      } else {
        return go([](T a, T b) { return truncated(a, b); });
      }
      break;
    default:
      break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    run_real<T>(op, s, in, dst, threads);
  } else {
    if (op == TypedOp::And) return go([](T a, T b) { return static_cast<T>(a & b); });
    if (op == TypedOp::Or) return go([](T a, T b) { return static_cast<T>(a | b); });
    go([](T a, T b) { return static_cast<T>(a ^ b); });
  }
}

template <class T>
void run_comparison(TypedOp op, const TypedShape& s, const void* const* in, void* dst, int threads) {
  const auto go = [&](auto f) { binary<T, uint8_t>(s, in, dst, 0.3, threads, f); };
  switch (op) {
    case TypedOp::Equal:
      return go([](T a, T b) { return a == b; });
    case TypedOp::NotEqual:
      return go([](T a, T b) { return a != b; });
    case TypedOp::Greater:
      return go([](T a, T b) { return a > b; });
    case TypedOp::GreaterEqual:
      return go([](T a, T b) { return a >= b; });
    case TypedOp::Less:
      return go([](T a, T b) { return a < b; });
    default:
      return go([](T a, T b) { return a <= b; });
  }
}

template <class From, class To>
To cast_one(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr auto high = static_cast<From>(std::numeric_limits<To>::max());
    if constexpr (sizeof(To) <= 4) {
      // Without branches, for vectors. The largest float below 2^31 stands in for it until the end.
      constexpr From top = sizeof(To) == 4 && sizeof(From) == 4 ? From(2147483520) : high;
      const From number = x == x ? x : From(0);
      const From limited = number < low ? low : number > top ? top : number;
      const auto cut = static_cast<int32_t>(limited);
      return static_cast<To>(sizeof(To) == 4 && number >= high ? std::numeric_limits<int32_t>::max() : cut);
    }
    if (x != x) return To(0);
    return x <= low ? std::numeric_limits<To>::min() : x >= high ? std::numeric_limits<To>::max() : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

bool run(TypedOp op, Num type, const TypedShape& shape, const void* const* operands, void* dst, int threads) {
  if (type == Num::Bool && op != TypedOp::Not) type = Num::U8;
  std::atomic<bool> zero = false;
  with_num(type, [&]<class T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      run_unary<uint8_t>(op, shape, operands, dst, threads);
    } else {
      if (op == TypedOp::Select)
        select<T>(shape, operands, dst, threads);
      else if (op == TypedOp::Clamp)
        clamp<T>(shape, operands, dst, threads);
      else if (is_unary(op))
        run_unary<T>(op, shape, operands, dst, threads);
      else if (is_comparison(op))
        run_comparison<T>(op, shape, operands, dst, threads);
      else
        run_arithmetic<T>(op, shape, operands, dst, threads, typed_may_fail(op, type) ? &zero : nullptr);
    }
  });
  return !zero;
}

void cast(Num from, Num to, int64_t count, const void* src, void* dst, int threads) {
  // Bools are bytes of 0 and 1, for which there are vectors.
  if (from == Num::Bool) from = Num::U8;
  with_num(from, [&]<class From>(From) {
    with_num(to, [&]<class To>(To) {
      constexpr int64_t kPiece = 8192;
      const int64_t pieces = (count + kPiece - 1) / kPiece;
      parallel_ranges(pieces, useful_threads(threads, 0.4 * static_cast<double>(count), pieces),
                      [&](int64_t begin, int64_t end, int) {
                        const From* x = static_cast<const From*>(src);
                        To* y = static_cast<To*>(dst);
                        const int64_t last = std::min(end * kPiece, count);
                        for (int64_t i = begin * kPiece; i < last; ++i) y[i] = cast_one<From, To>(x[i]);
                      });
    });
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {
HWY_EXPORT(run);
HWY_EXPORT(cast);
}  // namespace

double typed_ns(TypedOp op) {
  switch (op) {
    case TypedOp::Pow:
    case TypedOp::Atan2:
    case TypedOp::Xlogy:
    case TypedOp::Xlog1py:
      return 15.0;
    case TypedOp::FloorMod:
    case TypedOp::TruncateMod:
    case TypedOp::FloorDiv:
      return 3.0;
    default:
      return 0.3;
  }
}

bool typed_gives_bool(TypedOp op) {
  return is_comparison(op) || op == TypedOp::Not || (op >= TypedOp::IsNan && op <= TypedOp::IsFinite);
}

int typed_operands(TypedOp op) { return is_unary(op) ? 1 : op >= TypedOp::Select ? 3 : 2; }

bool typed_defined(TypedOp op, Num type) {
  const bool real = type == Num::F32 || type == Num::F64, flag = type == Num::Bool;
  if (op == TypedOp::Not) return flag;
  if (op == TypedOp::And || op == TypedOp::Or) return !real;
  if (op == TypedOp::Equal || op == TypedOp::NotEqual || op == TypedOp::Select) return true;
  if (flag) return false;
  if (op == TypedOp::Invert || op == TypedOp::Xor) return !real;
  if ((op >= TypedOp::IsNan && op <= TypedOp::IsFinite) || (op >= TypedOp::DivNoNan && op <= TypedOp::Xlog1py))
    return real;
  return true;
}

bool typed_may_fail(TypedOp op, Num type) { return divides(op) && type != Num::F32 && type != Num::F64; }

void typed_row(TypedOp op, Num type, int64_t count, const void* const* operands, void* dst) {
  TypedShape shape;
  shape.rank = 1;
  shape.dims[0] = count;
  for (auto& strides : shape.strides) strides[0] = 1;
  typed_run(op, type, shape, operands, dst, 1);
}

bool typed_run(TypedOp op, Num type, const TypedShape& shape, const void* const* operands, void* dst, int threads) {
  return HWY_DYNAMIC_DISPATCH(run)(op, type, shape, operands, dst, threads);
}

void typed_cast(Num from, Num to, int64_t count, const void* src, void* dst, int threads) {
  HWY_DYNAMIC_DISPATCH(cast)(from, to, count, src, dst, threads);
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
