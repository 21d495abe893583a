// SPDX-License-Identifier: Apache-2.0
// Graphs taken apart where shapes depend on data: which node comes into which part, what crosses, and that the parts together
// compute what the whole does.
#include "passes/split_at_data.h"

#include <cstring>

#include "ops/op.h"
#include "support.h"

namespace tfengine::passes {
namespace {

using ops::Stages;
using From = Stages::From;

constexpr const char* kMask = R"(
graph @net(%x: f32[?,3]) {
  %zero = const f32[] [0]
  %h = Relu(%x)
  %m = Greater(%x, %zero)
  %w = Where(%m)
  %v = GatherNd(%h, %w)
  %t = Tanh(%v)
  return %t, %h, %w
}
)";

Stages stages_of(const char* text, std::vector<Shape> shapes) {
  return specialize_in_stages(parse_and_infer(text), shapes);
}

// The parts one after another, and the rest's parts in turn.
std::vector<Tensor> run(const Stages& stages, const std::vector<Tensor>& inputs, int& parts) {
  ++parts;
  const std::vector<Tensor> front = ops::evaluate_graph(stages.front, inputs);
  if (!stages.split()) return front;
  std::vector<Tensor> between, rest;
  const auto gather = [&](const std::vector<Stages::Source>& sources) {
    std::vector<Tensor> tensors;
    for (const Stages::Source& source : sources) {
      const std::vector<Tensor>& from = source.from == From::Input     ? inputs
                                        : source.from == From::Front   ? front
                                        : source.from == From::Between ? between
                                                                       : rest;
      tensors.push_back(from.at(static_cast<size_t>(source.index)));
    }
    return tensors;
  };
  between = ops::evaluate_graph(stages.between, gather(stages.between_inputs));
  if (!stages.rest.outputs.empty()) {
    const std::vector<Tensor> crossing = gather(stages.rest_inputs);
    std::vector<Shape> shapes;
    for (const Tensor& tensor : crossing) shapes.push_back(tensor.shape());
    rest = run(specialize_in_stages(stages.rest, shapes), crossing, parts);
  }
  return gather(stages.outputs);
}

void expect_same(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].shape(), want[i].shape()) << i;
    ASSERT_EQ(got[i].dtype(), want[i].dtype()) << i;
    EXPECT_TRUE(want[i].bytes() == 0 || std::memcmp(got[i].data(), want[i].data(), want[i].bytes()) == 0) << i;
  }
}

// How many parts were planned, the rest's included.
int check_parts(const char* text, const std::vector<Tensor>& inputs) {
  const ir::Graph graph = parse_and_infer(text);
  std::vector<Shape> shapes;
  for (const Tensor& tensor : inputs) shapes.push_back(tensor.shape());
  int parts = 0;
  expect_same(run(specialize_in_stages(graph, shapes), inputs, parts), ops::evaluate_graph(graph, inputs));
  return parts;
}

Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::of(DType::F32, std::move(shape), values);
}

TEST(SplitAtData, StaticGraphsAreOnePart) {
  const Stages stages = stages_of("graph @g(%x: f32[?,3]) { %y = Relu(%x) return %y }", {{2, 3}});
  EXPECT_FALSE(stages.split());
  EXPECT_EQ(nodes_text(stages.front), "%y = Relu(%x)\n");
}

TEST(SplitAtData, PartsAndWhatCrosses) {
  const Stages stages = stages_of(kMask, {{2, 3}});
  ASSERT_TRUE(stages.split());
  EXPECT_EQ(op_histogram(stages.front), (std::map<std::string, int>{{"Greater", 1}, {"Relu", 1}}));
  EXPECT_EQ(nodes_text(stages.between), "%w = Where(%m)\n");
  EXPECT_EQ(nodes_text(stages.rest), "%v = GatherNd(%h/passed, %w)\n%t = Tanh(%v)\n");
  const std::vector<Stages::Source> outputs = {{From::Rest, 0}, {From::Front, 0}, {From::Between, 0}};
  EXPECT_EQ(stages.outputs, outputs);
  EXPECT_EQ(stages.rest_inputs, (std::vector<Stages::Source>{{From::Front, 0}, {From::Between, 0}}));
  EXPECT_EQ(stages.output_shapes, (std::vector<Shape>{{-1}, {2, 3}, {-1, 2}}));
  for (const ir::ValueId id : stages.front.inputs) EXPECT_EQ(stages.front.value(id).name, "x");
}

TEST(SplitAtData, PartsComputeTheWhole) {
  EXPECT_EQ(check_parts(kMask, {floats({2, 3}, {1, -1, 2, -2, 3, -3})}), 2);
  EXPECT_EQ(check_parts(kMask, {floats({1, 3}, {-1, -1, -1})}), 2);  // nothing is found
  EXPECT_EQ(check_parts(kMask, {floats({0, 3}, {})}), 2);
}

// Nothing stands in front of the first, and nothing behind the last.
TEST(SplitAtData, OneBehindAnother) {
  EXPECT_EQ(check_parts(R"(
graph @net(%x: f32[?]) {
  %axis = const s32[] [0] %half = const f32[] [0.5]
  %u, %i = Unique(%x) {out_idx=s32}
  %m = Greater(%u, %half)
  %w = Where(%m)
  %v = GatherNd(%u, %w)
  %s, %j = Unique(%v) {out_idx=s32}
  return %s, %x, %i
})",
                        {floats({6}, {1, 0, 2, 1, 2, 3})}),
            3);
}

// A shape that is computed from data, and constants and inputs that several parts read.
TEST(SplitAtData, ComputedShapes) {
  EXPECT_EQ(check_parts(R"(
graph @net(%x: f32[4], %n: s32[]) {
  %zero = const s32[] [0] %one = const s32[] [1] %two = const f32[] [2]
  %r = Range(%zero, %n, %one)
  %f = Cast(%r) {DstT=f32}
  %y = Mul(%f, %two)
  %z = Mul(%x, %two)
  %p = Sum(%y, %zero)
  %q = Add(%z, %p)
  return %y, %q
})",
                        {floats({4}, {1, 2, 3, 4}), Tensor::of<int32_t>(DType::S32, {}, {3})}),
            2);
}

// A loop that writes ever more rows cannot be planned, though what it gives in the end could.
TEST(SplitAtData, LoopsWhoseStatesGrow) {
  constexpr const char* kGrows = R"(
graph @net(%x: f32[1,2], %n: s32[]) {
  %zero = const s32[] [0]
  %i, %rows = While(%zero, %x, %n)
    graph @cond(%ci: s32[], %cr: f32[?,2], %cn: s32[]) {
      %go = Less(%ci, %cn)
      return %go
    }
    graph @body(%bi: s32[], %br: f32[?,2], %bn: s32[]) {
      %axis = const s32[] [0] %one = const s32[] [1]
      %more = Add(%bi, %one)
      %longer = ConcatV2(%br, %br, %axis)
      return %more, %longer
    }
  %y = Tanh(%rows)
  return %y, %i
})";
  const std::vector<Tensor> inputs = {floats({1, 2}, {1, 2}), Tensor::of<int32_t>(DType::S32, {}, {3})};
  EXPECT_EQ(check_parts(kGrows, inputs), 2);
  const Stages stages = stages_of(kGrows, {{1, 2}, {}});
  EXPECT_EQ(op_histogram(stages.between).at("While"), 1);
}

TEST(SplitAtData, QuantizedTensorsCrossAsTheyAre) {
  const Stages stages = stages_of(R"(graph @g(%x: f32[?,4], %n: s32[2]) {
    %q = Quantize(%x) -> u8[?,4] quant(scale=0.1)
    %r = Reshape(%q, %n) -> u8[?,?] quant(scale=0.1)
    %d = Dequantize(%r) -> f32[?,?]
    return %d
  })",
                                  {{2, 4}, {2}});
  EXPECT_EQ(op_histogram(stages.between).at("Reshape"), 1);
  const ir::Value& crossing = stages.rest.value(stages.rest.inputs.at(0));
  EXPECT_EQ(crossing.dtype, DType::U8);
  EXPECT_TRUE(crossing.quant.defined());
  EXPECT_TRUE(stages.between.value(stages.between.inputs.at(0)).quant.defined());
}

}  // namespace
}  // namespace tfengine::passes
