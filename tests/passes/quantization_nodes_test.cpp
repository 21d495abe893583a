// SPDX-License-Identifier: Apache-2.0
#include "passes/quantization_nodes.h"

#include "passes/pipeline.h"
#include "passes/support.h"
#include "tfengine/error.h"

namespace tfengine::passes {
namespace {

// The numbers change on purpose (rounding goes), so these tests run without the comparison of outputs.
struct Outcome {
  ir::Graph graph;
  PassReport report;
};

Outcome run(std::string_view text, bool whole_pipeline = false) {
  Outcome outcome{parse_and_infer(text), {}};
  if (whole_pipeline) {
    outcome.report = run_pipeline(outcome.graph);
  } else {
    run_pass("quantization_nodes", quantization_nodes, outcome.graph, {}, outcome.report);
  }
  return outcome;
}

const ir::Value& value(const Outcome& outcome, std::string_view name) {
  return outcome.graph.value(outcome.graph.find_value(name));
}

TEST(QuantizationNodes, RangesMoveToTheTensors) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,3]) {
    %low = const f32[] [-1.5]
    %high = const f32[] [6.0]
    %lows = const f32[3] [-1.0, -2.0, -9.0]
    %highs = const f32[3] [1.0, 3.0, 4.0]
    %bits = const s32[] [8]
    %a = FakeQuantWithMinMaxArgs(%x) {min=-3.0, max=2.0, num_bits=8}
    %b = Relu(%a)
    %c = FakeQuantWithMinMaxVars(%b, %low, %high) {num_bits=8}
    %d = Tanh(%c)
    %e = FakeQuantWithMinMaxVarsPerChannel(%d, %lows, %highs) {num_bits=8}
    %f = Elu(%e)
    %g = QuantizeAndDequantizeV3(%f, %low, %high, %bits) {range_given=true, signed_input=true}
    return %g
  })");
  EXPECT_EQ(nodes_text(outcome.graph), "%b = Relu(%x)\n%d = Tanh(%b)\n%g = Elu(%d) name(\"f\")\n");
  const auto expect = [&](const char* name, float max_abs, const char* origin) {
    ASSERT_TRUE(value(outcome, name).range.has_value()) << name;
    EXPECT_EQ(value(outcome, name).range->max_abs, max_abs) << name;
    EXPECT_EQ(value(outcome, name).range->origin, origin) << name;
    EXPECT_EQ(value(outcome, name).range->source, ir::RangeSource::Custom) << name;
  };
  expect("x", 3.0f, "a");
  expect("b", 6.0f, "c");
  expect("d", 9.0f, "e");
  expect("g", 6.0f, "g");
}

TEST(QuantizationNodes, WeightsKeepTheirRounding) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,2]) {
    %w = const f32[2,2] [0.3, -1.0, 0.7, 1.0]
    %low = const f32[2] [-1.0, -1.0]
    %high = const f32[2] [1.0, 1.0]
    %q = FakeQuantWithMinMaxVarsPerChannel(%w, %low, %high) {num_bits=2, narrow_range=true}
    %y = MatMul(%x, %q)
    return %y
  })");
  EXPECT_EQ(nodes_text(outcome.graph), "%y = MatMul(%x, %q)\n");
  ASSERT_TRUE(value(outcome, "q").is_constant());
  const float* rounded = value(outcome, "q").constant.as<float>();
  EXPECT_EQ(rounded[0], 0.0f);
  EXPECT_EQ(rounded[1], -1.0f);
  EXPECT_EQ(rounded[2], 1.0f);
  EXPECT_EQ(rounded[3], 1.0f);
  ASSERT_EQ(outcome.report.notes.size(), 1u);
  EXPECT_EQ(outcome.report.notes[0], "'q' rounds constant 'w' with a range per channel; the rounded values are used");
}

TEST(QuantizationNodes, TwoDifferentRangesAreAnError) {
  try {
    run(R"(graph @g(%x: f32[?,2]) {
      %r = Relu(%x)
      %a = FakeQuantWithMinMaxArgs(%r) {min=-3.0, max=2.0}
      %b = FakeQuantWithMinMaxArgs(%r) {min=-4.0, max=2.0}
      %y = Add(%a, %b)
      return %y
    })");
    FAIL() << "expected InvalidModel";
  } catch (const InvalidModel& error) {
    EXPECT_STREQ(error.what(), "tensor 'r' has two different ranges: 3 from 'a' and 4 from 'b'; expected one");
  }
}

TEST(QuantizationNodes, AnEmptyRangeIsAnError) {
  EXPECT_THROW(run(R"(graph @g(%x: f32[?,2]) {
      %a = FakeQuantWithMinMaxArgs(%x) {min=0.0, max=0.0}
      return %a
    })"),
               InvalidModel);
}

TEST(QuantizationNodes, ARangeComputedAtRunTimeStays) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,2], %low: f32[], %high: f32[]) {
    %q = FakeQuantWithMinMaxVars(%x, %low, %high) {num_bits=8}
    return %q
  })");
  EXPECT_EQ(op_histogram(outcome.graph).count("FakeQuantWithMinMaxVars"), 1u);
  EXPECT_EQ(outcome.report.notes.size(), 1u);
}

TEST(QuantizationNodes, FusionKeepsTheLastTensorsRangeAndReportsTheOthers) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] uniform(2, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %d = BiasAdd(%c, %b)
    %q = FakeQuantWithMinMaxArgs(%d) {min=-8.0, max=8.0}
    %r = Relu(%q)
    %p = FakeQuantWithMinMaxArgs(%r) {min=0.0, max=6.0}
    %out = Identity(%p)
    return %out as "Identity"
  })",
                              true);
  EXPECT_EQ(nodes_text(outcome.graph),
            "%out = Conv2D(%x, %w, %c/bias) {padding=\"SAME\", strides=[1, 1, 1, 1]} epilogue(bias=2, after=Relu) "
            "name(\"c\")\n");
  ASSERT_EQ(outcome.report.notes.size(), 1u);
  EXPECT_EQ(outcome.report.notes[0], "the range of 'd' (from 'q') is ignored: fuse_epilogues removed the tensor");
  ASSERT_TRUE(value(outcome, "out").range.has_value());
  EXPECT_EQ(value(outcome, "out").range->max_abs, 6.0f);
}

}  // namespace
}  // namespace tfengine::passes
