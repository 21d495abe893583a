// SPDX-License-Identifier: Apache-2.0
// What a program may be, and tensors that the fused nodes of tests/ops do not have: INT8 ones, slices, shared memory.
#include "kernels/chain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace tfengine::kernels {
namespace {

using Kind = ChainStep::Kind;

ChainTensor row(int64_t rows_stride, int64_t step = 1) {
  ChainTensor tensor;
  tensor.strides[0] = rows_stride;
  tensor.strides[1] = step;
  return tensor;
}

ChainStep step(EltwiseOp op, uint8_t dst, uint8_t a, uint8_t b = 0) {
  ChainStep one;
  one.eltwise = op;
  one.dst = dst;
  one.src[0] = a;
  one.src[1] = b;
  return one;
}

// y = (a + b) * a on [rows, columns].
ChainProgram sum_times(int64_t rows, int64_t columns, const ChainTensor& a, const ChainTensor& b, ChainTensor y) {
  ChainProgram program;
  program.rank = 2;
  program.dims[0] = rows;
  program.dims[1] = columns;
  program.inputs = {a, b};
  program.steps = {step(EltwiseOp::Add, 2, 0, 1), step(EltwiseOp::Mul, 3, 2, 0)};
  y.reg = 3;
  program.outputs = {y};
  return program;
}

std::string error_of(const ChainProgram& program) {
  const char* error = chain_error(program);
  return error == nullptr ? "" : error;
}

TEST(Chain, ProgramsThatCannotRunSayWhy) {
  const ChainTensor dense = row(4);
  const ChainProgram good = sum_times(3, 4, dense, dense, dense);
  EXPECT_EQ(error_of(good), "");
  const auto changed = [&](auto change) {
    ChainProgram program = good;
    change(program);
    return error_of(program);
  };
  EXPECT_EQ(changed([](auto& p) { p.rank = 9; }), "its rank is not 0 to 8");
  EXPECT_EQ(changed([](auto& p) { p.outputs.clear(); }), "it has too many inputs or outputs, or no outputs");
  EXPECT_EQ(changed([](auto& p) { p.inputs.resize(65); }), "it has too many inputs or outputs, or no outputs");
  EXPECT_EQ(changed([](auto& p) { p.steps.clear(); }), "it has too many steps, or none");
  EXPECT_EQ(changed([](auto& p) { p.steps.resize(256); }), "it has too many steps, or none");
  EXPECT_EQ(changed([](auto& p) { p.steps[0].eltwise = static_cast<EltwiseOp>(200); }),
            "a step has no known operation");
  EXPECT_EQ(changed([](auto& p) { p.steps[0].kind = static_cast<Kind>(77); }), "a step is of no known kind");
  EXPECT_EQ(changed([](auto& p) { p.steps[0].src[1] = 5; }), "a register is read before it is written");
  EXPECT_EQ(changed([](auto& p) { p.steps[1].src[0] = 200; }), "a register is read before it is written");
  EXPECT_EQ(changed([](auto& p) { p.steps[0].dst = 1; }), "a step writes to no register of its own");
  EXPECT_EQ(changed([](auto& p) { p.steps[1].dst = 64; }), "a step writes to no register of its own");
  EXPECT_EQ(changed([](auto& p) { p.inputs[1].type = Num::F64; }), "a step reads a register of another type");
  EXPECT_EQ(changed([](auto& p) { p.outputs[0].reg = 9; }), "an output is never written");
  EXPECT_EQ(changed([](auto& p) { p.outputs[0].type = Num::S64; }), "an output is of another type than its register");
  const auto typed = [&](TypedOp op, Num type, uint8_t dst) {
    return changed([&](auto& p) {
      p.inputs[0].type = p.inputs[1].type = type;
      p.steps.resize(1);
      p.steps[0].kind = Kind::Typed;
      p.steps[0].typed = op;
      p.steps[0].type = type;
      p.outputs[0].reg = p.steps[0].dst = dst;
      p.outputs[0].type = typed_gives_bool(op) ? Num::Bool : type;
    });
  };
  EXPECT_EQ(typed(TypedOp::Less, Num::S64, 2), "");
  EXPECT_EQ(typed(TypedOp::FloorDiv, Num::S32, 2), "a step divides integers");
  EXPECT_EQ(typed(TypedOp::Pow, Num::S32, 2), "a step's operation is not defined on its type");
  EXPECT_EQ(changed([](auto& p) {
              ChainStep cast;
              cast.kind = Kind::Cast;
              cast.to = Num::F64;
              cast.src[0] = cast.dst = 3;
              p.steps.push_back(cast);
              p.outputs[0].type = Num::F64;
            }),
            "a step writes over elements of another size");
}

// Channel slices of wider tensors in and out, longer than a block and shorter, over threads.
TEST(Chain, SlicesInAndOut) {
  for (const int64_t columns : {1, 3, 17, 5000}) {
    const int64_t rows = 37, wide = columns + 5;
    std::vector<float> a(static_cast<size_t>(rows * wide)), b(static_cast<size_t>(columns)), y(a.size(), -7.0f);
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 101) * 0.25f;
    for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 13);
    const ChainPlan plan = chain_plan(sum_times(rows, columns, row(wide), row(0), row(wide)));
    const void* src[] = {a.data(), b.data()};
    void* dst[] = {y.data()};
    chain_run(plan, src, dst, 2);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < wide; ++c) {
        const auto at = static_cast<size_t>(r * wide + c);
        const float expected = c < columns ? (a[at] + b[static_cast<size_t>(c)]) * a[at] : -7.0f;
        ASSERT_EQ(y[at], expected) << columns << " columns, at " << r << ", " << c;
      }
    }
  }
}

TEST(Chain, TransposedOperandAndResult) {
  const int64_t rows = 70, columns = 90;
  std::vector<float> a(static_cast<size_t>(rows * columns)), b(a.size()), y(a.size());
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 103), b[i] = static_cast<float>(i % 59);
  const ChainPlan plan = chain_plan(sum_times(rows, columns, row(columns), row(1, rows), row(1, rows)));
  const void* src[] = {a.data(), b.data()};
  void* dst[] = {y.data()};
  chain_run(plan, src, dst, 1);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const auto here = static_cast<size_t>(r * columns + c), there = static_cast<size_t>(c * rows + r);
      ASSERT_EQ(y[there], (a[here] + b[there]) * a[here]) << r << ", " << c;
    }
  }
}

TEST(Chain, Int8TensorsAreRealNumbers) {
  const int64_t n = 3001;
  ChainTensor a = row(n), b = row(n), y = row(n);
  a.form = b.form = y.form = ChainTensor::Form::Scaled;
  a.elem = Elem::S8, a.scale = 0.05f;
  b.elem = Elem::U8, b.scale = 0.02f, b.zero = 100.0f;
  y.elem = Elem::S8, y.scale = 0.25f;
  std::vector<int8_t> x(static_cast<size_t>(n)), result(x.size());
  std::vector<uint8_t> z(x.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int8_t>(i * 7), z[i] = static_cast<uint8_t>(i * 11);
  const ChainPlan plan = chain_plan(sum_times(1, n, a, b, y));
  const void* src[] = {x.data(), z.data()};
  void* dst[] = {result.data()};
  chain_run(plan, src, dst, 1);
  for (size_t i = 0; i < x.size(); ++i) {
    const double left = x[i] * 0.05, right = (z[i] - 100.0) * 0.02;
    const double exact = std::clamp((left + right) * left / 0.25, -128.0, 127.0);
    ASSERT_NEAR(result[i], exact, 0.501) << i;
  }
}

// Two results over two operands: all steps of a block have run before any of its results is stored.
TEST(Chain, ResultsLieWhereOperandsDid) {
  const int64_t n = 10000;
  ChainProgram program = sum_times(1, n, row(n), row(n), row(n));
  program.outputs.push_back(row(n));
  program.outputs[1].reg = 2;
  std::vector<float> a(static_cast<size_t>(n)), b(a.size());
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 29), b[i] = static_cast<float>(i % 31);
  const std::vector<float> a_before = a, b_before = b;
  const void* src[] = {a.data(), b.data()};
  void* dst[] = {a.data(), b.data()};
  chain_run(chain_plan(program), src, dst, 2);
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i], (a_before[i] + b_before[i]) * a_before[i]) << i;
    ASSERT_EQ(b[i], a_before[i] + b_before[i]) << i;
  }
}

}  // namespace
}  // namespace tfengine::kernels
