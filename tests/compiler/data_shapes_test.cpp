// SPDX-License-Identifier: Apache-2.0
// Engines of graphs with shapes that depend on data: several plans in one call, the later ones made when their shapes are known.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <thread>

#include "compiler/model_impl.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "support/digits.h"
#include "support/memory_testing.h"
#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using testing::EngineBytes;
using testing::TrappingAllocator;

// Rows of which the first element is positive, through two layers; how many there are; and where.
constexpr const char* kRows = R"(
graph @rows(%x: f32[?,16]) {
  %w1 = const f32[16,32] uniform(1, -1, 1) %w2 = const f32[32,8] uniform(2, -1, 1)
  %zero = const f32[] [0] %begin = const s32[2] [0, 0] %end = const s32[2] [0, 1] %one = const s32[2] [1, 1]
  %h = MatMul(%x, %w1)
  %first = StridedSlice(%x, %begin, %end, %one) {begin_mask=1, end_mask=1, shrink_axis_mask=2}
  %m = Greater(%first, %zero)
  %where = Where(%m)
  %rows = GatherNd(%h, %where)
  %t = Tanh(%rows)
  %y = MatMul(%t, %w2)
  return %y, %where
}
)";

Model model_of(const char* text) { return Model(detail::make_impl(ir::parse(text), "graph")); }

ConvertOptions options(int64_t rows, const std::string& backend = "") {
  ConvertOptions options;
  options.input_shapes = {{{rows, 16}}};
  options.engine.threads = 1;
  options.engine.time_tactics = false;
  options.engine.backend = backend;
  return options;
}

// `found` of the rows begin with a positive number.
Tensor rows_of(int64_t rows, int64_t found) {
  Tensor x(DType::F32, {rows, 16});
  for (int64_t i = 0; i < x.elements(); ++i) x.mutable_as<float>()[i] = std::sin(static_cast<float>(i) * 0.7f);
  for (int64_t row = 0; row < rows; ++row) x.mutable_as<float>()[row * 16] = row < found ? 1.0f : -1.0f;
  return x;
}

std::vector<Tensor> expected(const char* text, const Tensor& x) {
  const Model model = model_of(text);
  const std::vector<Tensor> inputs = {x};
  return ops::evaluate_graph(model.impl()->imported, inputs);
}

void expect_close(const std::vector<NamedTensor>& got, const std::vector<Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const Tensor& tensor = got[i].tensor;
    ASSERT_EQ(tensor.shape(), want[i].shape());
    ASSERT_EQ(tensor.dtype(), want[i].dtype());
    if (tensor.dtype() == DType::F32) {
      for (int64_t e = 0; e < tensor.elements(); ++e)
        ASSERT_NEAR(tensor.as<float>()[e], want[i].as<float>()[e], 1e-4) << e;
    } else if (tensor.bytes() > 0) {
      ASSERT_EQ(std::memcmp(tensor.data(), want[i].data(), tensor.bytes()), 0);
    }
  }
}

void run_and_check(const Engine& engine, int64_t rows, int64_t found) {
  const Tensor x = rows_of(rows, found);
  expect_close(engine.run({{"x", x}}), expected(kRows, x));
}

TEST(DataShapes, EveryBackendGivesTheSame) {
  for (const char* backend : {"", "reference"}) {
    const Engine engine = convert(model_of(kRows), options(6, backend));
    for (const int64_t found : {3, 0, 6, 1}) run_and_check(engine, 6, found);
    run_and_check(engine, 9, 4);
    run_and_check(engine, 0, 0);
  }
}

TEST(DataShapes, WhatIsKnownOfTheOutputs) {
  const Engine engine = convert(model_of(kRows), options(6));
  EXPECT_EQ(engine.output_shapes({{6, 16}}), (std::vector<Shape>{{-1, 8}, {-1, 1}}));
  float buffer[64];
  try {
    engine.run_into({{"x", rows_of(6, 2)}}, {buffer, buffer});
    ADD_FAILURE() << "expected InvalidArgument";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(
        error.what(),
        "run_into: output 0 has shape [?,8], because the shape of what Where 'where' computes depends on data; "
        "run() gives outputs of the shapes that come");
  }
}

// What lies behind the rows can have a known shape again, and then the caller's memory.
TEST(DataShapes, OutputsOfKnownShapes) {
  constexpr const char* kSum = R"(
graph @sum(%x: f32[?,16]) {
  %half = const f32[] [0.5] %axis = const s32[1] [0]
  %m = Greater(%x, %half)
  %where = Where(%m)
  %v = GatherNd(%x, %where)
  %s = Sum(%v, %axis)
  return %s
})";
  const Engine engine = convert(model_of(kSum), options(6));
  EXPECT_EQ(engine.output_shapes({{6, 16}}), (std::vector<Shape>{{}}));
  const Tensor x = rows_of(6, 2);
  float sum = 0.0f;
  engine.run_into({{"x", x}}, {&sum});
  EXPECT_NEAR(sum, *expected(kSum, x)[0].as<float>(), 1e-4);
}

TEST(DataShapes, PlansComeAndGo) {
  TrappingAllocator memory;
  ConvertOptions some = options(40);
  some.engine.allocator = &memory;
  some.engine.maximum_cached_engines = 2;
  const Engine engine = convert(model_of(kRows), some);
  uint64_t most = 0;
  for (int round = 0; round < 2; ++round) {
    for (int64_t found = 1; found <= 12; ++found) {
      run_and_check(engine, 40, found);
      EXPECT_EQ(memory.bytes_in_use(), engine.cached_bytes());
      if (round == 0) most = std::max(most, memory.bytes_in_use());
      EXPECT_LE(memory.bytes_in_use(), most);
    }
  }
  const MemoryReport report = engine.memory();
  EXPECT_EQ(report.peak_bytes,
            report.weights_bytes + report.activation_bytes + report.workspace_bytes + report.temporary_bytes);
  engine.release_memory();
  EXPECT_EQ(memory.bytes_in_use(), engine.cached_bytes());
  EXPECT_EQ(engine.cached_bytes(), engine.memory().weights_bytes);
  run_and_check(engine, 40, 5);
}

// Weights of layers behind the rows lie in memory once, however many plans there are.
TEST(DataShapes, WeightsAreSharedByAllPlans) {
  const Engine engine = convert(model_of(kRows), options(20));
  const uint64_t front = engine.memory().weights_bytes;
  run_and_check(engine, 20, 3);
  const uint64_t one = engine.memory().weights_bytes;
  EXPECT_GT(front, 0u);
  EXPECT_GT(one, front);
  for (const int64_t found : {4, 5, 6}) run_and_check(engine, 20, found);
  EXPECT_EQ(engine.memory().weights_bytes, one);
  run_and_check(engine, 21, 6);
  EXPECT_EQ(engine.memory().weights_bytes, one);
}

TEST(DataShapes, ALimitThatIsEnoughAndOneThatIsNot) {
  uint64_t enough = 0;
  {
    const Engine engine = convert(model_of(kRows), options(64));
    run_and_check(engine, 64, 60);
    enough = engine.memory().peak_bytes;
  }
  ConvertOptions some = options(64);
  some.engine.memory_limit_bytes = enough;
  const Engine engine = convert(model_of(kRows), some);
  for (const int64_t found : {60, 10, 30, 60}) run_and_check(engine, 64, found);  // others give their memory back
  EXPECT_LE(engine.memory_details().allocated.total_peak_bytes, enough);
  EXPECT_THROW(engine.run({{"x", rows_of(6400, 6000)}}), OutOfMemory);
  run_and_check(engine, 64, 60);
}

TEST(DataShapes, FilesKeepTheTactics) {
  ConvertOptions timed = options(64);
  timed.engine.time_tactics = true;
  const Engine engine = convert(model_of(kRows), timed);
  run_and_check(engine, 64, 50);
  const auto tactics = [](const Engine& of) {
    std::vector<std::string> names;
    for (const LayerProfile& layer : of.profile({{"x", rows_of(64, 50)}}, 1)) names.push_back(layer.tactic);
    return names;
  };
  const std::vector<std::string> want = tactics(engine);
  EXPECT_NE(std::find(want.begin(), want.end(), "between plans"), want.end());
  const Engine loaded = EngineBytes(engine).load(timed.engine);
  run_and_check(loaded, 64, 50);
  EXPECT_EQ(tactics(loaded), want);
  run_and_check(loaded, 64, 2);
}

// Each iteration appends a row: regions are engines of their own.
constexpr const char* kGrows = R"(
graph @grows(%x: f32[1,16], %n: s32[]) {
  %zero = const s32[] [0]
  %i, %rows = While(%zero, %x, %n)
    graph @cond(%ci: s32[], %cr: f32[?,16], %cn: s32[]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %br: f32[?,16], %bn: s32[]) {
      %w = const f32[16,16] uniform(1, -0.5, 0.5)
      %axis = const s32[] [0] %one = const s32[] [1] %sums = const s32[1] [0]
      %more = Add(%bi, %one)
      %sum = Sum(%br, %sums) {keep_dims=true}
      %product = MatMul(%sum, %w)
      %row = Tanh(%product)
      %longer = ConcatV2(%br, %row, %axis)
      return %more, %longer
    }
  %y = Tanh(%rows)
  return %y, %i
})";

std::vector<NamedTensor> grow(const Engine& engine, int32_t n) {
  const Tensor x = rows_of(1, 1);
  const Tensor count = Tensor::of<int32_t>(DType::S32, {}, {n});
  std::vector<NamedTensor> outputs = engine.run({{"x", x}, {"n", count}});
  const std::vector<Tensor> inputs = {x, count};
  expect_close(outputs, ops::evaluate_graph(model_of(kGrows).impl()->imported, inputs));
  return outputs;
}

TEST(DataShapes, LoopsThatGrow) {
  TrappingAllocator memory;
  ConvertOptions some = options(1);
  some.input_shapes = {{{1, 16}, {}}};
  some.engine.allocator = &memory;
  some.engine.maximum_cached_engines = 1;  // eight of a region
  const Engine engine = convert(model_of(kGrows), some);
  for (const int32_t n : {0, 1, 2, 9, 3}) {
    EXPECT_EQ(grow(engine, n)[0].tensor.shape(), (Shape{n + 1, 16}));
    EXPECT_EQ(memory.bytes_in_use(), engine.cached_bytes()) << n;
  }
  const uint64_t weights = engine.memory().weights_bytes;
  grow(engine, 12);
  EXPECT_EQ(engine.memory().weights_bytes, weights);
  std::set<std::string> names;
  const Tensor count = Tensor::of<int32_t>(DType::S32, {}, {4});
  for (const LayerProfile& layer : engine.profile({{"x", rows_of(1, 1)}, {"n", count}}, 2)) {
    EXPECT_TRUE(names.insert(layer.name).second) << layer.name;
  }
  EXPECT_EQ(names.count("row") + names.count("product"), 1u);  // one has become a part of the other
  engine.release_memory();
  EXPECT_EQ(memory.bytes_in_use(), engine.cached_bytes());
  grow(EngineBytes(engine).load(some.engine), 5);
}

TEST(DataShapes, ManyCallsAtOnce) {
  TrappingAllocator memory;
  ConvertOptions some = options(32);
  some.engine.allocator = &memory;
  some.engine.maximum_cached_engines = 2;
  const Engine engine = convert(model_of(kRows), some);
  std::vector<std::thread> threads;
  for (int64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&engine, thread] {
      for (int64_t call = 0; call < 30; ++call) {
        run_and_check(engine, 30 + call % 3, (thread * 7 + call * 3) % 30);
        if (call % 10 == 9) engine.release_memory();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.bytes_in_use(), engine.cached_bytes());
}

TEST(DataShapes, BudgetsAreRefused) {
  ConvertOptions some = options(6);
  some.memory_budget_bytes = 1 << 20;
  try {
    convert(model_of(kRows), some);
    ADD_FAILURE() << "expected InvalidArgument";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "memory_budget_bytes: the shape of what Where 'where' computes depends on data; expected shapes that "
                 "follow from the inputs' shapes. memory_limit_bytes bounds what such an engine takes");
  }
}

// Nothing of the data fits: the error names the op, and the next call is as before.
TEST(DataShapes, DataThatDoesNotFit) {
  constexpr const char* kReshape = R"(
graph @reshape(%x: f32[6,16], %n: s32[2]) {
  %r = Reshape(%x, %n)
  %y = Tanh(%r)
  return %y
})";
  ConvertOptions some = options(6);
  some.input_shapes = {{{6, 16}, {2}}};
  const Engine engine = convert(model_of(kReshape), some);
  const auto run = [&](int32_t a, int32_t b) {
    return engine.run({{"x", rows_of(6, 3)}, {"n", Tensor::of<int32_t>(DType::S32, {2}, {a, b})}})[0].tensor.shape();
  };
  EXPECT_EQ(run(12, 8), (Shape{12, 8}));
  try {
    run(5, 5);
    ADD_FAILURE() << "expected InvalidModel";
  } catch (const InvalidModel& error) {
    EXPECT_NE(std::string(error.what()).find("Reshape 'r'"), std::string::npos) << error.what();
  }
  EXPECT_EQ(run(2, 48), (Shape{2, 48}));
}

}  // namespace
}  // namespace tfengine
