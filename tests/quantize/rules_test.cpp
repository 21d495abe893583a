// SPDX-License-Identifier: Apache-2.0
#include "quantize/rules.h"

#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ops/op.h"
#include "quantize/facts.h"

namespace tfengine::quantize {
namespace {

ir::Graph graph_of(const std::string& inputs, const std::string& body) {
  ir::Graph graph = ir::parse("graph @g(" + inputs + ") {\n" + body + "\n}");
  ops::infer_graph(graph);
  return graph;
}

std::vector<std::string> names(const ir::Graph& graph, const std::vector<ir::ValueId>& ids) {
  std::vector<std::string> result;
  for (const ir::ValueId id : ids) result.push_back(graph.value(id).name);
  return result;
}

std::optional<ir::Range> range_of(const ir::Graph& graph, const RangeTable& table, std::string_view name) {
  return resolve_ranges(graph, table)[static_cast<size_t>(graph.find_value(name))];
}

RangeTable table_of(std::initializer_list<std::pair<const char*, float>> ranges) {
  RangeTable table;
  for (const auto& [name, max_abs] : ranges) table.set(name, {max_abs, ir::RangeSource::Calibrated, false, "test"});
  return table;
}

constexpr const char* kPooled = R"(
  %w = const f32[1,1,4,4] uniform(1, -1.0, 1.0)
  %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
  %p = MaxPool(%c) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="VALID"}
  %r = Relu(%p)
  %d = Conv2D(%r, %w) {strides=[1,1,1,1], padding="SAME"}
  %s = Softmax(%d)
  return %s)";

TEST(Observe, LooksBehindDataMovementAndNotAtFinalResults) {
  const ir::Graph graph = graph_of("%x: f32[1,4,4,4]", kPooled);
  EXPECT_EQ(names(graph, tensors_to_observe(graph)), (std::vector<std::string>{"x", "c", "r", "d"}));
}

TEST(Observe, LeavesOutCustomRangesConstantsAndIntegers) {
  const ir::Graph graph = graph_of("%x: f32[1,4] range(max_abs=2.0, custom), %n: s32[1,4], %y: f32[1,4]", R"(
    %k = const f32[1,4] ones
    %axis = const s32[] [1]
    %a = Add(%n, %n)
    %c = ConcatV2(%x, %y, %k, %axis)
    %w = const f32[12,2] uniform(1, -1.0, 1.0)
    %m = MatMul(%c, %w)
    return %m, %a)");
  EXPECT_EQ(names(graph, tensors_to_observe(graph)), std::vector<std::string>{"y"});
}

TEST(Rules, PassThroughDataMovementBothWays) {
  const ir::Graph graph = graph_of("%x: f32[1,4,4,4]", kPooled);
  EXPECT_EQ(range_of(graph, table_of({{"c", 3.0f}}), "p")->max_abs, 3.0f);
  // The pooled tensor was calibrated too, but it is stored on its input's grid.
  EXPECT_EQ(range_of(graph, table_of({{"c", 3.0f}, {"p", 2.0f}}), "p")->max_abs, 3.0f);
  EXPECT_EQ(range_of(graph, table_of({{"p", 2.0f}}), "c")->max_abs, 2.0f);
  // What a relu clips away needs no range in front of it.
  EXPECT_EQ(range_of(graph, table_of({{"r", 2.0f}}), "c")->max_abs, 2.0f);
  RangeTable custom = table_of({{"c", 3.0f}});
  custom.set("p", {1.5f, ir::RangeSource::Custom, false, "fq"});
  EXPECT_EQ(range_of(graph, custom, "c")->max_abs, 1.5f);
}

TEST(Rules, BackwardsOnlyWhereItIsExact) {
  // %c is also read directly: what pooling dropped may be larger.
  const ir::Graph pooled = graph_of("%c: f32[1,4,4,4]", R"(
    %p = MaxPool(%c) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="VALID"}
    return %p, %c)");
  EXPECT_FALSE(range_of(pooled, table_of({{"p", 2.0f}}), "c"));
  const ir::Graph reshaped = graph_of("%c: f32[1,4,4,4]", R"(
    %shape = const s32[2] [1, 64]
    %p = Reshape(%c, %shape)
    return %p, %c)");
  EXPECT_EQ(range_of(reshaped, table_of({{"p", 2.0f}}), "c")->max_abs, 2.0f);
}

TEST(Rules, KnowWhatOpsBound) {
  const ir::Graph graph = graph_of("%x: f32[1,4]", R"(
    %w = const f32[4,4] uniform(1, -1.0, 1.0)
    %softmax = Softmax(%x)
    %six = Relu6(%x)
    %tanh = Tanh(%x)
    %clip = MatMul(%x, %w) epilogue(after=Clip(0.0, 4.0))
    %shape = const s32[1] [4]
    %moved = Reshape(%clip, %shape)
    %sum = MatMul(%x, %w, %clip) epilogue(residual=2, before=Sigmoid)
    %free = Relu(%x)
    return %softmax, %six, %tanh, %moved, %sum, %free)");
  for (const auto& [name, bound] : std::vector<std::pair<const char*, float>>{
           {"softmax", 1}, {"six", 6}, {"tanh", 1}, {"clip", 4}, {"moved", 4}, {"sum", 5}}) {
    const std::optional<ir::Range> range = range_of(graph, RangeTable(), name);
    ASSERT_TRUE(range) << name;
    EXPECT_EQ(range->max_abs, bound) << name;
    EXPECT_EQ(range->source, ir::RangeSource::Rule) << name;
  }
  EXPECT_FALSE(range_of(graph, RangeTable(), "free"));
  // A calibrated range is narrowed to the bound, a custom one is not.
  EXPECT_EQ(range_of(graph, table_of({{"six", 6.5f}}), "six")->max_abs, 6.0f);
  EXPECT_EQ(range_of(graph, table_of({{"six", 5.0f}}), "six")->max_abs, 5.0f);
  RangeTable custom;
  custom.set("six", {8.0f, ir::RangeSource::Custom, false, "fq"});
  EXPECT_EQ(range_of(graph, custom, "six")->max_abs, 8.0f);
}

using Ranges = std::initializer_list<std::pair<const char*, float>>;

RangeTable custom_table(Ranges ranges) {
  RangeTable table;
  for (const auto& [name, max_abs] : ranges) table.set(name, {max_abs, ir::RangeSource::Custom, false, "fq"});
  return table;
}

TEST(Rules, GivenRangesGoBothWaysThroughWhatMovesData) {
  for (const char* node :
       {"Reshape(%e, %shape)", "Transpose(%e, %perm)", "Squeeze(%e) {squeeze_dims=[0]}", "ExpandDims(%e, %zero)",
        "Pad(%e, %pads)", "MirrorPad(%e, %pads) {mode=\"REFLECT\"}",
        "MaxPool(%e) {ksize=[1,2,2,1], strides=[1,2,2,1], "
        "padding=\"VALID\"}",
        "Slice(%e, %begin, %size)", "StridedSlice(%e, %begin, %end, %ones)", "ConcatV2(%e, %e2, %three)",
        "Pack(%e, %e2) {axis=0}", "Identity(%e)", "SpaceToDepth(%e) {block_size=2}", "DepthToSpace(%e) {block_size=2}",
        "Tile(%e, %twice)", "GatherV2(%e, %perm, %three)", "Relu(%e)", "Relu6(%e)"}) {
    const ir::Graph graph = graph_of("%x: f32[1,4,4,4]", std::string(R"(
      %shape = const s32[2] [1, 64]
      %perm = const s32[4] [0, 3, 1, 2]
      %zero = const s32[] [0]
      %three = const s32[] [3]
      %pads = const s32[4,2] [0, 0, 1, 1, 1, 1, 0, 0]
      %begin = const s32[4] [0, 1, 1, 0]
      %size = const s32[4] [1, 2, 2, 4]
      %end = const s32[4] [1, 3, 3, 4]
      %ones = const s32[4] [1, 1, 1, 1]
      %twice = const s32[4] [1, 2, 1, 1]
      %e = Elu(%x)
      %e2 = Softplus(%x)
      %y = )") + node + "\nreturn %y");
    const std::optional<ir::Range> behind = range_of(graph, custom_table({{"e", 3.0f}, {"e2", 2.0f}}), "y");
    ASSERT_TRUE(behind) << node;
    EXPECT_EQ(behind->max_abs, 3.0f) << node;
    const std::optional<ir::Range> before = range_of(graph, custom_table({{"y", 2.5f}}), "e");
    ASSERT_TRUE(before) << node;
    EXPECT_EQ(before->max_abs, 2.5f) << node;
  }
}

TEST(Rules, GivenRangesGoThroughActivations) {
  const ir::Graph graph = graph_of("%x: f32[1,4], %z: f32[1,4]", R"(
    %s = Add(%x, %z)
    %relu = Relu(%s)
    %leaky = LeakyRelu(%x) {alpha=0.1}
    %steep = LeakyRelu(%x) {alpha=3.0}
    %elu = Elu(%x)
    %swish = Swish(%x)
    %soft = Softplus(%x)
    %t = Mul(%z, %z)
    %six = Relu6(%t)
    return %relu, %leaky, %steep, %elu, %swish, %soft, %six)");
  const auto at = [&](Ranges ranges, const char* name) { return range_of(graph, custom_table(ranges), name); };
  EXPECT_EQ(at({{"s", 3.0f}}, "relu")->max_abs, 3.0f);
  EXPECT_EQ(at({{"x", 0.5f}}, "leaky")->max_abs, 0.5f);
  EXPECT_EQ(at({{"x", 0.5f}}, "steep")->max_abs, 1.5f);
  EXPECT_EQ(at({{"x", 0.5f}}, "elu")->max_abs, 1.0f);
  EXPECT_EQ(at({{"x", 2.5f}}, "elu")->max_abs, 2.5f);
  EXPECT_EQ(at({{"x", 2.5f}}, "swish")->max_abs, 2.5f);
  EXPECT_FALSE(at({{"x", 2.5f}}, "soft"));
  EXPECT_FALSE(at({{"x", 2.5f}}, "s"));
  // Backwards where clipping and the function change places.
  EXPECT_EQ(at({{"relu", 3.0f}}, "s")->max_abs, 3.0f);
  EXPECT_EQ(at({{"six", 4.0f}}, "t")->max_abs, 4.0f);
  EXPECT_EQ(at({}, "t")->max_abs, 6.0f);
  EXPECT_FALSE(at({{"leaky", 3.0f}}, "x"));
}

TEST(Rules, PartsThatAgreeTellTheirWhole) {
  const ir::Graph graph = graph_of("%x: f32[1,4]", R"(
    %axis = const s32[] [1]
    %h = Tanh(%x)
    %e = Elu(%x)
    %a, %b = Split(%axis, %e) {num_split=2}
    return %a, %b, %h)");
  EXPECT_EQ(range_of(graph, custom_table({{"a", 3.0f}, {"b", 3.0f}}), "e")->max_abs, 3.0f);
  EXPECT_FALSE(range_of(graph, custom_table({{"a", 3.0f}, {"b", 4.0f}}), "e"));
  EXPECT_FALSE(range_of(graph, custom_table({{"a", 3.0f}}), "e"));
}

TEST(Rules, AveragesAndJoinsTakeTheirInputs) {
  const ir::Graph graph = graph_of("%x: f32[1,2,2,4], %y: f32[1,2,2,4]", R"(
    %axis = const s32[] [3]
    %c = ConcatV2(%x, %y, %axis)
    %a = AvgPool(%c) {ksize=[1,2,2,1], strides=[1,2,2,1], padding="VALID"}
    return %a)");
  const RangeTable table = table_of({{"x", 2.0f}, {"y", 5.0f}});
  EXPECT_EQ(range_of(graph, table, "c")->max_abs, 5.0f);
  EXPECT_EQ(range_of(graph, table, "a")->max_abs, 5.0f);
  EXPECT_EQ(range_of(graph, table, "a")->source, ir::RangeSource::Rule);
  EXPECT_EQ(range_of(graph, table_of({{"x", 2.0f}, {"y", 5.0f}, {"a", 1.0f}}), "a")->max_abs, 1.0f);
  EXPECT_FALSE(range_of(graph, table_of({{"x", 2.0f}}), "c"));
}

TEST(Signs, AreProvedFromOpsAndEpilogues) {
  const ir::Graph graph = graph_of("%x: f32[1,4]", R"(
    %w = const f32[4,4] uniform(1, -1.0, 1.0)
    %b = const f32[4] uniform(2, -1.0, 1.0)
    %relu = MatMul(%x, %w, %b) epilogue(bias=2, after=Relu)
    %six = MatMul(%x, %w) epilogue(after=Clip(0.0, 6.0))
    %hard_tanh = MatMul(%x, %w) epilogue(after=Clip(-1.0, 1.0))
    %added = MatMul(%x, %w, %six) epilogue(before=Relu, residual=2)
    %spoiled = MatMul(%x, %w, %x) epilogue(before=Relu, residual=2)
    %swish = MatMul(%x, %w) epilogue(after=Swish)
    %sum = AddV2(%relu, %six)
    %difference = Sub(%relu, %six)
    %product = Mul(%relu, %swish)
    %tanh = Tanh(%relu)
    %axis = const s32[] [1]
    %joined = ConcatV2(%relu, %six, %axis)
    %mixed = ConcatV2(%relu, %x, %axis)
    return %relu, %six, %hard_tanh, %added, %spoiled, %swish, %sum, %difference, %product, %tanh, %joined, %mixed)");
  const std::set<std::string> known = non_negative_names(graph);
  for (const char* name : {"relu", "six", "added", "sum", "tanh", "joined"}) EXPECT_EQ(known.count(name), 1u) << name;
  for (const char* name : {"x", "b", "w", "hard_tanh", "spoiled", "swish", "difference", "product", "mixed"}) {
    EXPECT_EQ(known.count(name), 0u) << name;
  }
}

TEST(Rules, InputsThatWereNeverNegativeCountAsSuch) {
  const ir::Graph graph = ir::parse(R"(graph @g(%x: f32[2,4], %z: f32[2,4]) {
    %pooled = Identity(%x)
    %sum = AddV2(%x, %z)
    return %pooled, %sum
  })");
  const std::set<std::string> one = non_negative_names(graph, {"x", "elsewhere"});
  EXPECT_EQ(one.count("x") + one.count("pooled"), 2u);
  EXPECT_EQ(one.count("z") + one.count("sum"), 0u);
  EXPECT_EQ(non_negative_names(graph, {"x", "z"}).count("sum"), 1u);
  HistogramSet set;
  const float positive[] = {0.0f, 1.0f}, negative[] = {1.0f, -1e-6f};
  set.tensors["x"].add(positive, 2);
  set.tensors["z"].add(negative, 2);
  EXPECT_EQ(seen_non_negative(set), std::set<std::string>{"x"});
}

}  // namespace
}  // namespace tfengine::quantize
