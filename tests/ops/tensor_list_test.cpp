// SPDX-License-Identifier: Apache-2.0
// Lists of tensors that change their length: what they hold, what is known of their shapes, and what they refuse.
#include "ops/tensor_list.h"

#include <gtest/gtest.h>

#include "ir/parser.h"
#include "ops/op.h"
#include "tfengine/error.h"

namespace tfengine::ops {
namespace {

Tensor row(const std::vector<float>& values) {
  return Tensor::of<float>(DType::F32, {static_cast<int64_t>(values.size())}, values);
}

ir::Graph parsed(const std::string& inputs, const std::string& body) {
  ir::Graph graph = ir::parse("graph @list(" + inputs + ") {\n" + body + "\n}");
  infer_graph(graph);
  return graph;
}

Shape shape_of(const ir::Graph& graph, const char* name) { return graph.value(graph.find_value(name)).shape; }

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.elements()};
}

std::string refusal(const ir::Graph& graph, const std::vector<Tensor>& inputs) {
  try {
    evaluate_graph(graph, inputs);
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "";
}

TEST(TensorList, RowsArePushedAndTaken) {
  const ir::Graph graph = parsed("%l: f32[2,3], %x: f32[3]", R"(
  %more = ListPushBack(%l, %x)
  %less, %last = ListPopBack(%more)
  return %more, %less, %last)");
  EXPECT_EQ(shape_of(graph, "more"), (Shape{3, 3}));
  EXPECT_EQ(shape_of(graph, "less"), (Shape{2, 3}));
  EXPECT_EQ(shape_of(graph, "last"), (Shape{3}));
  const std::vector<Tensor> inputs = {Tensor::of<float>(DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}), row({7, 8, 9})};
  const std::vector<Tensor> outputs = evaluate_graph(graph, inputs);
  EXPECT_EQ(values_of(outputs[0]), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(values_of(outputs[1]), values_of(inputs[0]));
  EXPECT_EQ(values_of(outputs[2]), values_of(inputs[1]));
}

// The first element says of what shape they are.
TEST(TensorList, ListsBeginEmpty) {
  const ir::Graph graph = parsed("%x: f32[2]", R"(
  %none = const s32[] [0]
  %l = ListReserve(%none) {element_dtype=f32, element_shape=shape[...], grows=true}
  %one = ListPushBack(%l, %x)
  %two = ListPushBack(%one, %x)
  return %two, %l)");
  EXPECT_FALSE(shape_of(graph, "l").ranked());
  const std::vector<Tensor> outputs = evaluate_graph(graph, std::vector<Tensor>{row({1, 2})});
  EXPECT_EQ(outputs[0].shape(), (Shape{2, 2}));
  EXPECT_EQ(values_of(outputs[0]), (std::vector<float>{1, 2, 1, 2}));
  EXPECT_EQ(outputs[1].elements(), 0);
  const ir::Graph blank = parsed("%l: f32[0,0], %x: f32[2]", "%one = ListPushBack(%l, %x)\n return %one");
  EXPECT_EQ(shape_of(blank, "one"), (Shape{1, 2}));
}

TEST(TensorList, WritingBehindTheEndMakesItLonger) {
  const ir::Graph graph = parsed("%l: f32[1,2], %i: s32[], %x: f32[2]", R"(
  %s = ListSetItem(%l, %i, %x) {resize=true}
  return %s)");
  EXPECT_EQ(shape_of(graph, "s"), (Shape{-1, 2}));
  const auto written = [&](int32_t index) {
    return values_of(
        evaluate_graph(graph, std::vector<Tensor>{Tensor::of<float>(DType::F32, {1, 2}, {1, 2}),
                                                  Tensor::of<int32_t>(DType::S32, {}, {index}), row({3, 4})})[0]);
  };
  EXPECT_EQ(written(0), (std::vector<float>{3, 4}));
  EXPECT_EQ(written(2), (std::vector<float>{1, 2, 0, 0, 3, 4}));
}

TEST(TensorList, Refusals) {
  const ir::Graph pop = parsed("%l: f32[?,2]", "%r, %x = ListPopBack(%l)\n return %r, %x");
  EXPECT_EQ(refusal(pop, {Tensor(DType::F32, {0, 2})}), "ListPopBack 'r': takes an element of an empty list");
  const ir::Graph push = parsed("%l: f32[?,?], %x: f32[?]", "%r = ListPushBack(%l, %x)\n return %r");
  EXPECT_EQ(refusal(push, {Tensor(DType::F32, {1, 2}), row({1, 2, 3})}),
            "ListPushBack 'r': writes float32 [3] into a list of float32 [1,2]");
  const ir::Graph set = parsed("%l: f32[1,2], %i: s32[], %x: f32[2]", R"(
  %s = ListSetItem(%l, %i, %x) {resize=true}
  return %s)");
  const std::vector<Tensor> far = {Tensor(DType::F32, {1, 2}), Tensor::of<int32_t>(DType::S32, {}, {-1}), row({3, 4})};
  EXPECT_EQ(refusal(set, far), "ListSetItem 's': index -1 is out of range for a list of 1");
}

}  // namespace
}  // namespace tfengine::ops
