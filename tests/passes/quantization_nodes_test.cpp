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

// Notes of a graph "%x -> NODE -> return", in which %low, %high, %lows, %highs and %bits may be used.
std::vector<std::string> notes_of(const std::string& node) {
  return run(R"(graph @g(%x: f32[?,3]) {
    %low = const f32[] [-1.5]
    %high = const f32[] [6.0]
    %lows = const f32[3] [-1.0, -2.0, -9.0]
    %highs = const f32[3] [1.0, 3.0, 4.0]
    %bits = const s32[] [8]
    %four = const s32[] [4]
    %t = Tanh(%x)
    )" + node +
             R"(
    return %q
  })")
      .report.notes;
}

using Strings = std::vector<std::string>;

TEST(QuantizationNodes, WhatInt8DoesNotKeepIsNamed) {
  EXPECT_EQ(
      notes_of("%q = FakeQuantWithMinMaxVarsPerChannel(%t, %lows, %highs)"),
      Strings{"FakeQuantWithMinMaxVarsPerChannel 'q' gives 3 ranges, one per channel of 't'; INT8 has one for the "
              "tensor: the widest, 9"});
  EXPECT_EQ(
      notes_of("%q = QuantizeAndDequantizeV4(%t, %lows, %highs) {range_given=true, axis=1}"),
      Strings{"QuantizeAndDequantizeV4 'q' gives 3 ranges, one per channel of 't'; INT8 has one for the tensor: the "
              "widest, 9"});
  EXPECT_EQ(notes_of("%q = QuantizeAndDequantizeV2(%t, %low, %high) {range_given=true, round_mode=\"HALF_UP\"}"),
            Strings{"QuantizeAndDequantizeV2 'q' asks for round_mode HALF_UP; INT8 rounds halves to even"});
  EXPECT_EQ(notes_of("%q = FakeQuantWithMinMaxArgs(%t) {min=-4.0, max=3.0, narrow_range=true}"), Strings{});
}

TEST(QuantizationNodes, AHalfEmptyGridIsTold) {
  const std::string wasted =
      "the range [0, 6] of 't' (from 'q') becomes [-6, 6]: 50 % of the INT8 grid is for values that do not come";
  EXPECT_EQ(notes_of("%q = FakeQuantWithMinMaxArgs(%t) {min=0.0, max=6.0}"), Strings{wasted});
  EXPECT_EQ(
      notes_of("%q = FakeQuantWithMinMaxArgs(%t) {min=-4.0, max=-3.0}"),
      Strings{"the range [-4, -3] of 't' (from 'q') becomes [-4, 4]: 88 % of the INT8 grid is for values that do not "
              "come"});
  EXPECT_EQ(notes_of("%q = FakeQuantWithMinMaxArgs(%t) {min=-0.5, max=6.0}"), Strings{});
  // The unsigned grid wastes nothing.
  EXPECT_EQ(notes_of("%r = Relu(%t)\n%q = FakeQuantWithMinMaxArgs(%r) {min=0.0, max=6.0}"), Strings{});
}

TEST(QuantizationNodes, WhatIsNoRangeForInt8StaysAndSaysWhy) {
  const auto stays = [](const std::string& node, const std::string& why) { EXPECT_EQ(notes_of(node), Strings{why}); };
  stays("%q = FakeQuantWithMinMaxArgs(%t) {num_bits=4}",
        "FakeQuantWithMinMaxArgs 'q' stays: its num_bits is 4; a range for INT8 needs 8");
  stays("%q = QuantizeAndDequantizeV3(%t, %low, %high, %four) {range_given=true}",
        "QuantizeAndDequantizeV3 'q' stays: its num_bits is 4; a range for INT8 needs 8");
  stays("%q = QuantizeAndDequantizeV2(%t, %low, %high)",
        "QuantizeAndDequantizeV2 'q' stays: it takes its range from each batch; give one with range_given=true");
  stays("%q = QuantizeAndDequantizeV4(%t, %low, %high) {range_given=false}",
        "QuantizeAndDequantizeV4 'q' stays: it takes its range from each batch; give one with range_given=true");
  stays("%n = Cast(%t) {DstT=s32}\n%b = Maximum(%n, %bits)\n%q = QuantizeAndDequantizeV3(%t, %low, %high, %b)",
        "QuantizeAndDequantizeV3 'q' stays: its num_bits is computed at run time; expected a constant");
}

TEST(QuantizationNodes, UnsignedInputsAreClippedAtZero) {
  constexpr std::string_view kGraph = R"(graph @g(%x: f32[?,3]) {
    %low = const f32[] [-1.5]
    %high = const f32[] [4.0]
    %t = %OP(%x)
    %q = QuantizeAndDequantizeV2(%t, %low, %high) {range_given=true, signed_input=false}
    %y = Softplus(%q)
    return %y
  })";
  const auto text = [&](const std::string& op) {
    std::string graph(kGraph);
    return graph.replace(graph.find("%OP"), 3, op);
  };
  const Outcome clipped = run(text("Tanh"));
  EXPECT_EQ(nodes_text(clipped.graph), "%t = Tanh(%x)\n%q/relu = Relu(%t)\n%y = Softplus(%q/relu)\n");
  EXPECT_EQ(value(clipped, "q/relu").range->max_abs, 4.0f);
  EXPECT_EQ(clipped.report.notes, Strings{});
  const Outcome already = run(text("Relu"));
  EXPECT_EQ(nodes_text(already.graph), "%t = Relu(%x)\n%y = Softplus(%t)\n");
  EXPECT_EQ(value(already, "t").range->max_abs, 4.0f);
}

TEST(QuantizationNodes, MalformedRangesAreErrors) {
  const auto message = [](const std::string& node) -> std::string {
    try {
      notes_of(node);
    } catch (const InvalidModel& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(
      message("%q = FakeQuantWithMinMaxArgs(%t) {min=2.0, max=1.0}"),
      "FakeQuantWithMinMaxArgs 'q' gives the range [2, 1]; expected finite numbers, the first not above the second "
      "and not both 0");
  EXPECT_EQ(
      message("%q = FakeQuantWithMinMaxVars(%t, %high, %low)"),
      "FakeQuantWithMinMaxVars 'q' gives the range [6, -1.5]; expected finite numbers, the first not above the second "
      "and not both 0");
  EXPECT_EQ(message("%q = FakeQuantWithMinMaxVarsPerChannel(%t, %lows, %high)"),
            "FakeQuantWithMinMaxVarsPerChannel 'q' has 3 minima and 1 maxima; expected equally many, and at least one");
  EXPECT_EQ(
      message("%q = FakeQuantWithMinMaxVarsPerChannel(%t, %highs, %lows)"),
      "FakeQuantWithMinMaxVarsPerChannel 'q' gives the range [1, -1]; expected finite numbers, the first not above "
      "the second and not both 0");
}

TEST(QuantizationNodes, ConstantsMayComeThroughChains) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,3]) {
    %six = const f32[] [6.0]
    %high = Identity(%six)
    %again = Identity(%high)
    %low = Neg(%again)
    %r = Tanh(%x)
    %q = FakeQuantWithMinMaxVars(%r, %low, %again)
    %y = Softplus(%q)
    return %y
  })",
                              true);
  EXPECT_EQ(op_histogram(outcome.graph).count("FakeQuantWithMinMaxVars"), 0u);
  EXPECT_EQ(value(outcome, "r").range->max_abs, 6.0f);
}

TEST(QuantizationNodes, AMadRangeOnARemovedTensorIsListed) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,5,5,3]) {
    %w = const f32[1,1,3,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] uniform(2, -1.0, 1.0)
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %mad = FakeQuantWithMinMaxArgs(%c) {min=-1e30, max=1e30}
    %d = BiasAdd(%mad, %b)
    return %d
  })",
                              true);
  EXPECT_EQ(outcome.report.ignored_ranges, Strings{"c"});
}

// Split's results share a grid, on which a range of one of them alone cannot lie.
TEST(QuantizationNodes, RangesOfPartsStandBehindThem) {
  const Outcome outcome = run(R"(graph @g(%x: f32[?,4]) {
    %axis = const s32[] [1]
    %a, %b = Split(%axis, %x) {num_split=2}
    %p = FakeQuantWithMinMaxArgs(%a) {min=-0.5, max=0.5}
    %q = FakeQuantWithMinMaxArgs(%b) {min=-3.0, max=3.0}
    %y = Tanh(%p)
    %z = Tanh(%q)
    return %y, %z
  })");
  EXPECT_FALSE(value(outcome, "a").range || value(outcome, "b").range);
  EXPECT_EQ(value(outcome, "p").range->max_abs, 0.5f);
  EXPECT_EQ(value(outcome, "q").range->max_abs, 3.0f);
  EXPECT_EQ(op_histogram(outcome.graph).count("Identity"), 1u);
  EXPECT_TRUE(outcome.report.ignored_ranges.empty());
}

}  // namespace
}  // namespace tfengine::passes
