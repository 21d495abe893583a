// SPDX-License-Identifier: Apache-2.0
// Chains whose values are folded, and chains whose results are so large that they are written past the caches.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/chain.h"
#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"
#include "kernels/stream.h"

namespace tfengine::kernels {
namespace {

ChainStep step(EltwiseOp op, uint8_t dst, uint8_t a, uint8_t b) {
  ChainStep one;
  one.eltwise = op;
  one.dst = dst;
  one.src[0] = a;
  one.src[1] = b;
  return one;
}

// y = (a + b) * a of dims, a dense, b repeated along the axes in front of the last.
ChainProgram sum_times(std::vector<int64_t> dims) {
  ChainProgram program;
  program.rank = static_cast<int>(dims.size());
  std::copy(dims.begin(), dims.end(), program.dims);
  ChainTensor a, b;
  int64_t pitch = 1;
  for (size_t axis = dims.size(); axis-- > 0; pitch *= dims[axis]) a.strides[axis] = pitch;
  if (!dims.empty()) b.strides[dims.size() - 1] = 1;
  program.inputs = {a, b};
  program.steps = {step(EltwiseOp::Add, 2, 0, 1), step(EltwiseOp::Mul, 3, 2, 0)};
  program.outputs = {a};
  program.outputs[0].reg = 3;
  return program;
}

double plain_fold(ReduceKind kind, const std::vector<double>& values, size_t first, size_t length) {
  double total = kind == ReduceKind::Prod                              ? 1.0
                 : kind == ReduceKind::Sum || kind == ReduceKind::Mean ? 0.0
                                                                       : values[first];
  for (size_t i = first; i < first + length; ++i) {
    const double x = values[i];
    total = kind == ReduceKind::Max    ? std::max(total, x)
            : kind == ReduceKind::Min  ? std::min(total, x)
            : kind == ReduceKind::Prod ? total * x
                                       : total + x;
  }
  return kind == ReduceKind::Mean ? total / static_cast<double>(length) : total;
}

void check_fold(Rng& rng, const std::vector<int64_t>& dims, size_t folded_axes) {
  size_t count = 1, length = 1;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    count *= static_cast<size_t>(dims[axis]);
    if (axis + folded_axes >= dims.size()) length *= static_cast<size_t>(dims[axis]);
  }
  const auto kind = static_cast<ReduceKind>(rng() % 5);
  // Values around 1, so that products of many stay numbers.
  const float width = kind == ReduceKind::Prod ? 1e-3f : 1.0f;
  const Guarded<float> a(random_floats(rng, count, 1.0f - width, 1.0f + width));
  const Guarded<float> b(std::vector<float>(static_cast<size_t>(dims.back()), 0.0f));
  std::vector<double> values(count);
  double size = 0.0;
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<double>(a[i]) * a[i];
    size = std::max(size, values[i]);
  }
  ChainProgram program = sum_times(dims);
  program.fold = static_cast<int64_t>(length);
  program.fold_kind = kind;
  ASSERT_EQ(chain_error(program), nullptr);
  const ChainPlan plan = chain_plan(program);
  std::vector<float> alone;
  for (const int threads : {1, 2, 3}) {
    Guarded<float> dst(count / length);
    Guarded<std::byte> workspace(chain_workspace_bytes(plan), alignof(float));
    const void* src[] = {a.data(), b.data()};
    void* to[] = {dst.data()};
    chain_run(plan, src, to, threads, workspace.data());
    for (size_t i = 0; i < dst.size(); ++i) {
      const double exact = plain_fold(kind, values, i * length, length);
      const double rounding = 2e-7 * (kind == ReduceKind::Sum ? size : std::abs(exact)) * static_cast<double>(length);
      ASSERT_NEAR(dst[i], exact, rounding + 1e-6 * std::abs(exact))
          << "kind " << static_cast<int>(kind) << ", result " << i;
    }
    if (threads == 1) alone = dst.values();
    ASSERT_EQ(dst.values(), alone) << threads << " threads";
  }
}

// Results of one value, of parts of a block, of several blocks, and of all values.
TEST(ChainFold, EqualsThePlainFold) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const std::vector<int64_t> shapes[] = {{1},        {7},        {5000},      {1, 1},      {300, 1},     {37, 17},
                                         {3, 5000},  {64, 2048}, {2, 3, 700}, {5, 40, 11}, {900, 3, 2},  {3, 4, 5, 6},
                                         {2, 70000}, {1, 9, 1},  {2047, 9},   {33, 1023},  {128, 1, 130}};
  for_each_target([&] {
    for (const std::vector<int64_t>& dims : shapes) {
      for (size_t folded = 1; folded <= dims.size(); ++folded) {
        SCOPED_TRACE(testing::PrintToString(dims) + ", the last " + std::to_string(folded));
        for (int round = 0; round < 3; ++round) check_fold(rng, dims, folded);
        if (HasFatalFailure()) return;
      }
    }
    for (int round = 0; round < 60; ++round) {
      std::vector<int64_t> dims(1 + rng() % 4);
      for (int64_t& dim : dims) dim = 1 + static_cast<int64_t>(rng() % 40);
      SCOPED_TRACE(testing::PrintToString(dims));
      check_fold(rng, dims, 1 + rng() % dims.size());
      if (HasFatalFailure()) return;
    }
  });
}

TEST(ChainFold, IsCheckedBeforeItRuns) {
  ChainProgram program = sum_times({4, 6});
  program.fold = 6;
  EXPECT_EQ(chain_error(program), nullptr);
  program.fold = 5;
  EXPECT_STREQ(chain_error(program), "what it folds is no part of its values");
  program.fold = 6;
  program.fold_kind = static_cast<ReduceKind>(9);
  EXPECT_STREQ(chain_error(program), "what it folds is no part of its values");
  program.fold_kind = ReduceKind::Max;
  program.outputs.push_back(program.outputs[0]);
  EXPECT_STREQ(chain_error(program), "what it folds are not float32 numbers of one output");
}

TEST(Chain, TensorsWithoutElements) {
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{0}, {0, 5}, {5, 0}, {3, 0, 2}}) {
    const ChainPlan plan = chain_plan(sum_times(dims));
    const Guarded<float> a(0), b(static_cast<size_t>(dims.back()));
    Guarded<float> y(0);
    const void* src[] = {a.data(), b.data()};
    void* dst[] = {y.data()};
    chain_run(plan, src, dst, 2);
  }
}

// Random shapes, slices of wider tensors among them, with nothing beside them written.
TEST(Chain, RandomShapes) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int round = 0; round < 150; ++round) {
      const auto rows = static_cast<int64_t>(1 + rng() % 60), columns = static_cast<int64_t>(1 + rng() % 90);
      ChainProgram program = sum_times({rows, columns});
      const int64_t wide = columns + static_cast<int64_t>(rng() % 3);
      program.outputs[0].strides[0] = wide;
      const Guarded<float> a(random_floats(rng, static_cast<size_t>(rows * columns)));
      const Guarded<float> b(random_floats(rng, static_cast<size_t>(columns)));
      // The last row ends with its own columns.
      Guarded<float> y(static_cast<size_t>((rows - 1) * wide + columns));
      const float unwritten = y[0];
      const void* src[] = {a.data(), b.data()};
      void* dst[] = {y.data()};
      chain_run(chain_plan(program), src, dst, 1 + static_cast<int>(rng() % 2));
      for (size_t i = 0; i < y.size(); ++i) {
        const auto r = i / static_cast<size_t>(wide), c = i % static_cast<size_t>(wide);
        const float x = c < b.size() ? a[r * b.size() + c] : 0.0f;
        ASSERT_EQ(y[i], c < b.size() ? (x + b[c]) * x : unwritten) << rows << " x " << columns << " of " << wide;
      }
    }
  });
}

// Results of float32, 16-bit and 8-bit numbers past the caches, in rows that fill lines of the cache and in rows that do not.
TEST(Chain, LargeResultsArePastTheCaches) {
  Rng rng(7);
  for (const bool dense : {true, false}) {
    const int64_t rows = 4099, columns = kStreamedBytes / 4 / 4096 - 3, wide = dense ? columns : columns + 7;
    ChainProgram program = sum_times({rows, columns});
    ChainTensor half = program.outputs[0], scaled = half;
    for (ChainTensor* tensor : {&program.outputs[0], &half, &scaled}) tensor->strides[0] = wide;
    half.form = ChainTensor::Form::Half;
    half.half = Short::BF16;
    scaled.form = ChainTensor::Form::Scaled;
    scaled.elem = Elem::S8, scaled.scale = 1.0f;
    program.outputs.push_back(half);
    program.outputs.push_back(scaled);
    const ChainPlan plan = chain_plan(program);
    ASSERT_TRUE(plan.streamed);
    const Guarded<float> a(random_ints<float>(rng, static_cast<size_t>(rows * columns), -7, 7));
    const Guarded<float> b(random_ints<float>(rng, static_cast<size_t>(columns), 0, 3));
    const auto size = static_cast<size_t>((rows - 1) * wide + columns);
    Guarded<float> y(size);
    Guarded<uint16_t> z(size);
    Guarded<int8_t> w(size);
    const float unwritten = y[0];
    const void* src[] = {a.data(), b.data()};
    void* dst[] = {y.data(), z.data(), w.data()};
    chain_run(plan, src, dst, 2);
    for (size_t i = 0; i < size; ++i) {
      const auto r = i / static_cast<size_t>(wide), c = i % static_cast<size_t>(wide);
      const bool inside = c < b.size();
      const float x = inside ? a[r * b.size() + c] : 0.0f, exact = inside ? (x + b[c]) * x : unwritten;
      ASSERT_EQ(y[i], exact) << r << ", " << c;
      // Integers of up to 8 bits are the same in all three.
      float widened = 0.0f;
      widen(Short::BF16, 1, z.data() + i, &widened, 1);
      if (inside) {
        ASSERT_EQ(widened, exact) << r << ", " << c;
        ASSERT_EQ(w[i], exact) << r << ", " << c;
      } else {
        ASSERT_EQ(z[i], 0x5A5A);
        ASSERT_EQ(w[i], 0x5A);
      }
    }
  }
}

}  // namespace
}  // namespace tfengine::kernels
