// SPDX-License-Identifier: Apache-2.0
// Every operation that a number type has, element by element, on random shapes with random broadcasting.
#include "kernels/typed.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

template <class T>
using Wraps = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

// Of arithmetic, in T; nullopt for what gives bool, and for functions of the standard library, which tests/ops compare.
template <class T>
std::optional<T> arithmetic(TypedOp op, T a, T b, T c) {
  using W = Wraps<T>;
  switch (op) {
    case TypedOp::Neg:
      return static_cast<T>(W(0) - W(a));
    case TypedOp::Abs:
      return a < T(0) ? static_cast<T>(W(0) - W(a)) : a;
    case TypedOp::Sign:
      return a > T(0) ? T(1) : a < T(0) ? static_cast<T>(-1) : T(0);
    case TypedOp::Square:
      return static_cast<T>(W(a) * W(a));
    case TypedOp::Add:
      return static_cast<T>(W(a) + W(b));
    case TypedOp::Sub:
      return static_cast<T>(W(a) - W(b));
    case TypedOp::Mul:
      return static_cast<T>(W(a) * W(b));
    case TypedOp::SquaredDifference:
      return static_cast<T>(static_cast<W>(W(a) - W(b)) * static_cast<W>(W(a) - W(b)));
    case TypedOp::Max:
      return std::max(a, b);
    case TypedOp::Min:
      return std::min(a, b);
    case TypedOp::Clamp:
      return std::min(std::max(a, b), c);
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    // Divisors are positive here.
    const auto quotient = static_cast<T>(a / b), rest = static_cast<T>(a % b);
    if (op == TypedOp::Div || op == TypedOp::TruncateDiv) return quotient;
    if (op == TypedOp::TruncateMod) return rest;
    if (op == TypedOp::FloorDiv) return static_cast<T>(quotient - (rest < 0 ? 1 : 0));
    if (op == TypedOp::FloorMod) return static_cast<T>(rest < 0 ? rest + b : rest);
    if (op == TypedOp::And) return static_cast<T>(a & b);
    if (op == TypedOp::Or) return static_cast<T>(a | b);
    if (op == TypedOp::Xor) return static_cast<T>(a ^ b);
    if (op == TypedOp::Invert) return static_cast<T>(~a);
  } else {
    if (op == TypedOp::Div) return a / b;
    if (op == TypedOp::FloorDiv) return std::floor(a / b);
    if (op == TypedOp::TruncateDiv) return std::trunc(a / b);
    if (op == TypedOp::TruncateMod) return std::fmod(a, b);
    if (op == TypedOp::FloorMod) return std::fmod(a, b) < 0 ? std::fmod(a, b) + b : std::fmod(a, b);
    if (op == TypedOp::DivNoNan || op == TypedOp::Xdivy) return a / b;
    if (op == TypedOp::MulNoNan) return a * b;
  }
  return std::nullopt;
}

template <class T>
std::optional<uint8_t> comparison(TypedOp op, T a, T b) {
  switch (op) {
    case TypedOp::Equal:
      return a == b;
    case TypedOp::NotEqual:
      return a != b;
    case TypedOp::Greater:
      return a > b;
    case TypedOp::GreaterEqual:
      return a >= b;
    case TypedOp::Less:
      return a < b;
    case TypedOp::LessEqual:
      return a <= b;
    default:
      return std::nullopt;
  }
}

// Any shape, and operands that repeat along some of its axes.
struct Layout {
  TypedShape shape;
  int64_t count = 1;
  int64_t sizes[3] = {1, 1, 1};

  explicit Layout(Rng& rng) {
    shape.rank = static_cast<int>(rng() % 4);
    for (int axis = shape.rank - 1; axis >= 0; --axis) {
      const bool innermost = axis == shape.rank - 1;
      shape.dims[axis] = 1 + static_cast<int64_t>(rng() % (innermost && rng() % 8 == 0 ? 20000 : 12));
      count *= shape.dims[axis];
      for (int k = 0; k < 3; ++k) {
        const bool repeats = rng() % 3 == 0;
        shape.strides[k][axis] = repeats ? 0 : sizes[k];
        if (!repeats) sizes[k] *= shape.dims[axis];
      }
    }
  }
  size_t at(int operand, int64_t index) const {
    int64_t offset = 0;
    for (int axis = shape.rank - 1; axis >= 0; --axis) {
      offset += index % shape.dims[axis] * shape.strides[operand][axis];
      index /= shape.dims[axis];
    }
    return static_cast<size_t>(offset);
  }
};

template <class T>
void check(Rng& rng, TypedOp op, Num type) {
  const Layout layout(rng);
  const Guarded<T> a(random_ints<T>(rng, static_cast<size_t>(layout.sizes[0]), std::is_signed_v<T> ? -100 : 0, 100));
  const Guarded<T> b(random_ints<T>(rng, static_cast<size_t>(layout.sizes[1]), 1, 9));
  const Guarded<T> c(random_ints<T>(rng, static_cast<size_t>(layout.sizes[2]), 9, 90));
  const Guarded<uint8_t> flags(random_ints<uint8_t>(rng, a.size(), 0, 1));
  const bool select = op == TypedOp::Select;
  const void* operands[] = {select ? static_cast<const void*>(flags.data()) : a.data(), b.data(), c.data()};
  const auto count = static_cast<size_t>(layout.count);
  Guarded<T> dst(typed_gives_bool(op) ? 0 : count);
  Guarded<uint8_t> truth(typed_gives_bool(op) ? count : 0);
  void* to = typed_gives_bool(op) ? static_cast<void*>(truth.data()) : dst.data();
  ASSERT_TRUE(typed_run(op, type, layout.shape, operands, to, 1 + static_cast<int>(rng() % 2)));
  for (size_t i = 0; i < count; ++i) {
    const auto index = static_cast<int64_t>(i);
    const size_t at[] = {layout.at(0, index), layout.at(1, index), layout.at(2, index)};
    if (typed_gives_bool(op)) {
      const auto exact = comparison<T>(op, a[at[0]], b[at[1]]);
      ASSERT_EQ(truth[i], exact.value_or(truth[i])) << i << " of " << count;
    } else if (select) {
      ASSERT_EQ(dst[i], flags[at[0]] != 0 ? b[at[1]] : c[at[2]]) << i << " of " << count;
    } else if (const auto exact = arithmetic<T>(op, a[at[0]], b[at[1]], c[at[2]])) {
      ASSERT_EQ(dst[i], *exact) << i << " of " << count;
    }
  }
}

TEST(Typed, EveryOperationOfEveryType) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int number = 0; number <= static_cast<int>(TypedOp::Clamp); ++number) {
      const auto op = static_cast<TypedOp>(number);
      for (const Num type : {Num::F32, Num::F64, Num::S8, Num::U8, Num::S16, Num::S32, Num::S64}) {
        if (!typed_defined(op, type)) continue;
        SCOPED_TRACE("operation " + std::to_string(number) + ", type " + std::to_string(static_cast<int>(type)));
        for (int round = 0; round < 4; ++round) {
          with_num(type, [&]<class T>(T) {
            if constexpr (!std::is_same_v<T, bool>) check<T>(rng, op, type);
          });
          if (HasFatalFailure()) return;
        }
      }
    }
  });
}

TEST(Typed, DivisionByZeroIsSaidAndNotDone) {
  for_each_target([] {
    for (const TypedOp op : {TypedOp::Div, TypedOp::FloorDiv, TypedOp::FloorMod, TypedOp::TruncateMod}) {
      TypedShape shape;
      shape.rank = 1;
      shape.dims[0] = 40;
      shape.strides[0][0] = shape.strides[1][0] = 1;
      const Guarded<int32_t> a(std::vector<int32_t>(40, 7));
      Guarded<int32_t> b(std::vector<int32_t>(40, 2)), dst(40);
      const void* operands[] = {a.data(), b.data()};
      EXPECT_TRUE(typed_run(op, Num::S32, shape, operands, dst.data(), 1));
      b[39] = 0;
      EXPECT_FALSE(typed_run(op, Num::S32, shape, operands, dst.data(), 1));
    }
  });
}

// What no type holds exactly saturates, and what is no number becomes 0.
TEST(Typed, Casts) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for_each_target([&] {
    for (const size_t count : {0, 1, 3, 7, 8, 17, 33, 9000}) {
      const Guarded<float> src(random_floats(rng, count, -300.0f, 300.0f));
      Guarded<int8_t> bytes(count);
      Guarded<int32_t> ints(count);
      Guarded<double> doubles(count);
      Guarded<uint8_t> flags(count);
      const auto n = static_cast<int64_t>(count);
      typed_cast(Num::F32, Num::S8, n, src.data(), bytes.data(), 2);
      typed_cast(Num::F32, Num::S32, n, src.data(), ints.data(), 2);
      typed_cast(Num::F32, Num::F64, n, src.data(), doubles.data(), 2);
      typed_cast(Num::F32, Num::Bool, n, src.data(), flags.data(), 2);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(bytes[i], static_cast<int8_t>(std::clamp(std::trunc(src[i]), -128.0f, 127.0f))) << src[i];
        ASSERT_EQ(ints[i], static_cast<int32_t>(src[i])) << src[i];
        ASSERT_EQ(doubles[i], static_cast<double>(src[i]));
        ASSERT_EQ(flags[i], src[i] != 0.0f);
      }
    }
    const std::vector<float> beyond = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 3e9f, -3e9f};
    Guarded<int32_t> ints(beyond.size());
    typed_cast(Num::F32, Num::S32, 5, beyond.data(), ints.data(), 1);
    constexpr int32_t kMost = std::numeric_limits<int32_t>::max(), kLeast = std::numeric_limits<int32_t>::min();
    EXPECT_EQ(ints.values(), (std::vector<int32_t>{kMost, kLeast, 0, kMost, kLeast}));
  });
}

}  // namespace
}  // namespace tfengine::kernels
