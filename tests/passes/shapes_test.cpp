// SPDX-License-Identifier: Apache-2.0
// Reshapes, transposes, dense layers on feature maps and sequences, and static shapes.
#include <fmt/core.h>

#include "base/check.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "passes/convolution_forms.h"
#include "passes/dense_to_conv.h"
#include "passes/eliminate_transposes.h"
#include "passes/simplify_reshapes.h"
#include "passes/sink_reshapes.h"
#include "passes/specialize.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

const std::vector<NamedPass> kReshapes = {{"simplify_reshapes", simplify_reshapes}};
const std::vector<NamedPass> kTransposes = {{"eliminate_transposes", eliminate_transposes}};

TEST(SimplifyReshapes, ComputedShapesBecomeConstant) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2,3]) {
    %zero = const s32[1] [0]
    %one = const s32[1] [1]
    %six = const s32[] [6]
    %s = Shape(%x) -> s32[3]
    %n = StridedSlice(%s, %zero, %one, %one) {shrink_axis_mask=1} -> s32[]
    %p = Pack(%n, %six) {axis=0, N=2} -> s32[2]
    %y = Reshape(%x, %p)
    return %y
  })",
                                   kReshapes);
  EXPECT_EQ(result.nodes, "%y = Reshape(%x, %y/shape)\n");
}

TEST(SimplifyReshapes, WhatDoesNothingGoes) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,1,1,3]) {
    %flat = const s32[2] [-1, 3]
    %back = const s32[4] [-1, 1, 1, 3]
    %none = const s32[4,2] zeros
    %r = Relu(%x)
    %a = Reshape(%r, %flat)
    %b = Reshape(%a, %back)
    %c = Pad(%b, %none)
    %d = Squeeze(%c) {squeeze_dims=[1,2]}
    %y = Tanh(%d)
    return %y
  })",
                                   kReshapes);
  EXPECT_EQ(result.nodes, "%r = Relu(%x)\n%d = Reshape(%r, %d/shape)\n%y = Tanh(%d)\n");
}

TEST(SimplifyReshapes, ReductionsDropOrKeepDimensionsThemselves) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,4,4,3]) {
    %axes = const s32[2] [1, 2]
    %flat = const s32[2] [-1, 3]
    %map = const s32[4] [-1, 1, 1, 3]
    %m = Mean(%x, %axes) {keep_dims=true}
    %a = Reshape(%m, %flat)
    %n = Mean(%x, %axes) {keep_dims=false}
    %b = Reshape(%n, %map)
    return %a, %b
  })",
                                   kReshapes);
  EXPECT_EQ(result.nodes,
            "%a = Mean(%x, %axes) {keep_dims=false} name(\"m\")\n%b = Mean(%x, %axes) {keep_dims=true} name(\"n\")\n");
}

TEST(EliminateTransposes, AnNchwResidualBlockHasNone) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,4,4,3]) {
    %to_nchw = const s32[4] [0, 3, 1, 2]
    %to_nhwc = const s32[4] [0, 2, 3, 1]
    %w = const f32[1,1,3,3] uniform(1, -1.0, 1.0)
    %scale = const f32[3,1,1] [0.5, 2.0, 1.0]
    %pads = const s32[4,2] [0, 0, 0, 0, 1, 0, 0, 2]
    %axis = const s32[] [1]
    %axes = const s32[2] [2, 3]
    %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %t = Transpose(%c, %to_nchw)
    %u = Transpose(%x, %to_nchw)
    %a = Add(%t, %u)
    %m = Mul(%a, %scale)
    %r = Relu(%m)
    %k = ConcatV2(%r, %t, %axis)
    %p = Pad(%k, %pads)
    %n = Transpose(%p, %to_nhwc)
    %q = MaxPool(%n) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="VALID"}
    %v = Transpose(%q, %to_nchw)
    %y = Mean(%v, %axes) {keep_dims=false}
    return %y
  })",
                                   kTransposes);
  EXPECT_EQ(op_histogram(result.graph).count("Transpose"), 0u) << result.nodes;
}

TEST(EliminateTransposes, FlattenedFeaturesPermuteTheWeights) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2,3,5]) {
    %to_nchw = const s32[4] [0, 3, 1, 2]
    %flat = const s32[2] [-1, 30]
    %w = const f32[30,4] uniform(1, -1.0, 1.0)
    %t = Transpose(%x, %to_nchw)
    %f = Reshape(%t, %flat)
    %y = MatMul(%f, %w)
    return %y
  })",
                                   kTransposes);
  EXPECT_EQ(result.nodes, "%f = Reshape(%x, %flat)\n%y = MatMul(%f, %w/permuted)\n");
}

TEST(EliminateTransposes, OneOfSinglePixelsIsAReshape) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,1,1,3]) {
    %to_nchw = const s32[4] [0, 3, 1, 2]
    %t = Transpose(%x, %to_nchw)
    return %t
  })",
                                   kTransposes);
  EXPECT_EQ(result.nodes, "%t = Reshape(%x, %t/shape)\n");
}

TEST(EliminateTransposes, ARangeStaysWithItsElements) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,2,2,3]) {
    %to_nchw = const s32[4] [0, 3, 1, 2]
    %to_nhwc = const s32[4] [0, 2, 3, 1]
    %t = Transpose(%x, %to_nchw)
    %r = Relu(%t) -> f32[?,3,2,2] range(max_abs=3.0, custom, "fq")
    %u = Transpose(%r, %to_nhwc)
    %y = Tanh(%u)
    return %y
  })",
                                   kTransposes);
  EXPECT_EQ(op_histogram(result.graph).count("Transpose"), 0u) << result.nodes;
  const ir::Node& tanh = result.graph.node(result.graph.value(result.graph.find_value("y")).producer);
  EXPECT_TRUE(result.graph.value(tanh.inputs[0]).range.has_value());
  EXPECT_EQ(result.notes, std::vector<std::string>{});  // it is not ignored: it went with its elements
}

TEST(DenseToConv, OnAFeatureMap) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,4,4,3]) {
    %flat = const s32[2] [-1, 3]
    %map = const s32[4] [-1, 4, 4, 5]
    %w = const f32[3,5] uniform(1, -1.0, 1.0)
    %f = Reshape(%x, %flat)
    %m = MatMul(%f, %w)
    %y = Reshape(%m, %map)
    return %y
  })",
                                   {{"dense_to_conv", dense_to_conv}});
  EXPECT_EQ(result.nodes, "%y = Conv2D(%x, %w/as_filter) {padding=\"VALID\", strides=[1, 1, 1, 1]} name(\"m\")\n");
}

TEST(ConvolutionForms, EachUnderTheNameOfItsFastCode) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,5,4], %m: f32[?,5,5,1]) {
    %w = const f32[3,3,1,8] uniform(1, -1.0, 1.0)
    %v = const f32[3,3,1,6] uniform(2, -1.0, 1.0)
    %u = const f32[1,1,8,2] uniform(3, -1.0, 1.0)
    %a = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
    %b = DepthwiseConv2dNative(%m, %v) {strides=[1,2,2,1], padding="VALID"}
    %p = AvgPool(%a) {ksize=[1,1,1,1], strides=[1,2,2,1], padding="VALID"}
    %c = Conv2D(%p, %u) {strides=[1,1,1,1], padding="SAME"}
    return %b, %c
  })",
                                   {{"convolution_forms", convolution_forms}});
  EXPECT_EQ(result.nodes,
            "%a = DepthwiseConv2dNative(%x, %w/as_filter) {padding=\"SAME\", strides=[1, 1, 1, 1]}\n"
            "%b = Conv2D(%m, %v/as_filter) {padding=\"VALID\", strides=[1, 2, 2, 1]}\n"
            "%c = Conv2D(%a, %u) {padding=\"SAME\", strides=[1, 2, 2, 1]}\n");
}

TEST(ConvolutionForms, PoolingOverTheWholeMapIsAMean) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[?,5,4,3]) {
    %p = AvgPool(%x) {ksize=[1,5,4,1], strides=[1,1,1,1], padding="VALID"}
    return %p
  })",
                                   {{"convolution_forms", convolution_forms}});
  EXPECT_EQ(result.nodes, "%p = Mean(%x, %p/axes) {keep_dims=true}\n");
}

TEST(SinkReshapes, BiasAndActivationMeetTheirMatMul) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[14,3]) {
    %map = const s32[3] [-1, 7, 5]
    %v = const f32[3,5] uniform(1, -1.0, 1.0)
    %b = const f32[1,1,5] uniform(2, -1.0, 1.0)
    %m = MatMul(%x, %v)
    %n = Reshape(%m, %map)
    %a = Add(%b, %n)
    %y = Gelu(%a) {approximate=true}
    return %y
  })",
                                   {{"sink_reshapes", sink_reshapes}});
  EXPECT_EQ(result.nodes,
            "%m = MatMul(%x, %v)\n%a/flat = Add(%b/flat, %m) name(\"a\")\n"
            "%y/flat = Gelu(%a/flat) {approximate=true} name(\"y\")\n%y = Reshape(%y/flat, %map) name(\"n\")\n");
}

TEST(SinkReshapes, BiasOfHeadsMeetsItsMatMul) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[14,3]) {
    %map = const s32[4] [-1, 7, 2, 5]
    %v = const f32[3,10] uniform(1, -1.0, 1.0)
    %b = const f32[2,5] uniform(2, -1.0, 1.0)
    %m = MatMul(%x, %v)
    %n = Reshape(%m, %map)
    %y = Add(%n, %b)
    return %y
  })",
                                   {{"sink_reshapes", sink_reshapes}});
  EXPECT_EQ(result.nodes,
            "%m = MatMul(%x, %v)\n%y/flat = Add(%m, %b/flat) name(\"y\")\n%y = Reshape(%y/flat, %map) name(\"n\")\n");
}

TEST(SinkReshapes, NotWhatIsNoBiasOfTheChannels) {
  for (const char* constant : {"f32[7,2,5]", "f32[7,1,5]", "f32[2,1]"}) {
    const Rewritten result = rewrite(fmt::format(R"(graph @g(%x: f32[14,3]) {{
      %map = const s32[4] [-1, 7, 2, 5]
      %v = const f32[3,10] uniform(1, -1.0, 1.0)
      %b = const {} uniform(2, -1.0, 1.0)
      %m = MatMul(%x, %v)
      %n = Reshape(%m, %map)
      %y = Add(%n, %b)
      return %y
    }})",
                                                 constant),
                                     {{"sink_reshapes", sink_reshapes}});
    EXPECT_EQ(result.rewrites, 0) << constant;
  }
}

TEST(SinkReshapes, SumWithAnotherTensorMeetsItsMatMul) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[14,3], %z: f32[2,7,5]) {
    %map = const s32[3] [-1, 7, 5]
    %v = const f32[3,5] uniform(1, -1.0, 1.0)
    %m = MatMul(%x, %v)
    %n = Reshape(%m, %map)
    %y = Add(%z, %n)
    return %y
  })",
                                   {{"sink_reshapes", sink_reshapes}});
  EXPECT_EQ(result.nodes,
            "%m = MatMul(%x, %v)\n%y/rows = Reshape(%z, %y/rows_shape)\n"
            "%y/flat = Add(%y/rows, %m) name(\"y\")\n%y = Reshape(%y/flat, %map) name(\"n\")\n");
}

TEST(Specialize, LeavesNoShapeArithmetic) {
  const ir::Graph graph = parse_and_infer(R"(graph @g(%x: f32[?,?,3]) {
    %zero = const s32[1] [0]
    %two = const s32[1] [2]
    %one = const s32[1] [1]
    %axis = const s32[] [0]
    %three = const s32[1] [3]
    %s = Shape(%x) -> s32[3]
    %n = StridedSlice(%s, %zero, %two, %one) -> s32[2]
    %p = ConcatV2(%n, %three, %axis) -> s32[3]
    %r = Reshape(%x, %p)
    %y = Relu(%r)
    return %y
  })");
  const ir::Graph fixed = specialize(graph, std::vector<Shape>{Shape{2, 5, 3}});
  EXPECT_EQ(nodes_text(fixed), "%y = Relu(%x)\n");
  EXPECT_EQ(fixed.value(fixed.outputs[0].value).shape, (Shape{2, 5, 3}));
  EXPECT_THROW(specialize(graph, std::vector<Shape>{}), InvalidArgument);
  EXPECT_THROW(specialize(graph, std::vector<Shape>{Shape{2, 5, 4}}), InvalidArgument);
}

TEST(Specialize, KeepsQuantizedTensorsAndSharesConstants) {
  const ir::Graph graph = parse_and_infer(R"(graph @g(%x: f32[?,4,4,2]) {
    %w = const s8[1,1,2,2] [1, 2, 3, 4] quant(scales=[0.5, 0.25], axis=3)
    %q = Quantize(%x) -> u8[?,4,4,2] quant(scale=0.1)
    %c = Conv2D(%q, %w) {strides=[1,1,1,1], padding="SAME"} -> s8[?,4,4,2] quant(scale=0.2)
    %d = Dequantize(%c) -> f32[?,4,4,2]
    return %d
  })");
  const ir::Graph fixed = specialize(graph, std::vector<Shape>{Shape{2, 4, 4, 2}});
  EXPECT_EQ(nodes_text(fixed), nodes_text(graph));
  const ir::Value& q = fixed.value(fixed.find_value("q"));
  EXPECT_EQ(q.dtype, DType::U8);
  EXPECT_TRUE(q.quant.defined());
  EXPECT_EQ(fixed.value(fixed.find_value("w")).constant.data(), graph.value(graph.find_value("w")).constant.data());
}

// No shape is known of what an unknown op computes, but that is not what is wrong with it.
TEST(Specialize, UnknownOpsAreNamedAsSuch) {
  const ir::Graph graph = ir::parse(R"(graph @g(%x: f32[2,2]) {
    %a = Relu(%x)
    %b = MatrixInverse(%a)
    %c = Relu(%b)
    return %c
  })");
  try {
    specialize(graph, std::vector<Shape>{Shape{2, 2}});
    ADD_FAILURE() << "no error";
  } catch (const InvalidModel& error) {
    EXPECT_STREQ(error.what(),
                 "MatrixInverse 'b': the op is not supported; cut the graph before it by choosing other outputs, or "
                 "remove the node");
  }
}

}  // namespace
}  // namespace tfengine::passes
