// SPDX-License-Identifier: Apache-2.0
// Random graphs of elementwise nodes, fused for a backend: the fused graph computes what the graph did, and the backend
// computes each fused node as the oracle does. A failure prints the seed; TFE_TEST_ROUNDS=N runs more of them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "backends/list.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "ops/fused_elementwise.h"
#include "ops/op.h"
#include "passes/fuse_elementwise.h"
#include "passes/fuse_reductions.h"
#include "support/compare.h"
#include "support/conformance.h"
#include "support/random.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

using ir::ValueId;
using testing::Random;

// Grows a graph node by node. Comparisons and casts to integers look at exact values only: where a function is off by a
// rounding error, they would be off by one.
class Grower {
 public:
  explicit Grower(Random& random) : random_(random) {
    const int64_t rank = random.integer(0, 5);
    for (int64_t i = 0; i < rank; ++i) shape_.push_back(random.one_of<int64_t>({1, 2, 3, 5, 8, 17, 40}));
    real_ = random.one_of<DType>({DType::F32, DType::F32, DType::F32, DType::F16, DType::BF16, DType::F64});
  }

  ir::Graph grow() {
    for (int64_t i = random_.integer(1, 3); i > 0; --i) add_value(input(real_, Shape(shape_)), true);
    for (int64_t i = random_.integer(2, 40); i > 0; --i) grow_node();
    std::set<ValueId> outputs = {all_.back().id};
    for (int64_t i = random_.integer(0, 3); i > 0; --i) outputs.insert(any(real_).id);
    for (const ValueId id : outputs) graph_.outputs.push_back({graph_.value(id).name, id});
    if (random_.chance(0.5)) outputs_of_reductions();
    ops::infer_graph(graph_);
    graph_.remove_dead();
    return graph_.compacted();
  }

 private:
  struct Known {
    ValueId id;
    DType dtype;
    bool exact;
  };

  ValueId input(DType dtype, const Shape& shape) {
    return graph_.add_input("x" + std::to_string(graph_.inputs.size()), dtype, shape);
  }
  void add_value(ValueId id, bool exact) { all_.push_back({id, graph_.value(id).dtype, exact}); }

  std::vector<Known> of(DType dtype, bool exact) const {
    std::vector<Known> found;
    for (const Known& known : all_) {
      if (known.dtype == dtype && (known.exact || !exact)) found.push_back(known);
    }
    return found;
  }
  Known any(DType dtype, bool exact = false) {
    const std::vector<Known> found = of(dtype, exact);
    // The latest ones more often: chains.
    const auto count = static_cast<int64_t>(found.size());
    return found[static_cast<size_t>(count - 1 - std::min(random_.integer(0, count - 1), random_.integer(0, 3)))];
  }

  // A second operand: a value, a tensor that is broadcast, or a constant.
  ValueId operand(DType dtype, bool exact) {
    if (random_.chance(0.5)) return any(dtype, exact).id;
    Shape small(shape_);
    while (small.rank() > 0 && random_.chance(0.3)) small.dims().erase(small.dims().begin());
    for (int64_t& dim : small.dims()) dim = random_.chance(0.4) ? 1 : dim;
    if (random_.chance(0.5)) return input(dtype, small);
    const Shape shape = random_.chance(0.5) ? Shape{} : small;
    return graph_.add_constant("c" + std::to_string(graph_.value_count()),
                               testing::random_tensor(random_, dtype, shape, -2, 2));
  }

  void node(const std::string& op, std::vector<ValueId> inputs, DType made, bool exact, ir::Attrs attrs = {}) {
    const ir::NodeId id = graph_.add_node(op, "n" + std::to_string(graph_.node_count()), std::move(inputs), attrs);
    graph_.value(graph_.output(id)).dtype = made;
    graph_.value(graph_.output(id)).shape = Shape(shape_);
    all_.push_back({graph_.output(id), made, exact});
  }

  // Of the last axes mostly, and of values that nobody else needs: those end chains. The others stay nodes by themselves.
  void outputs_of_reductions() {
    for (int64_t i = random_.integer(1, 2); i > 0; --i) {
      std::vector<int32_t> axes;
      for (auto axis = static_cast<int32_t>(shape_.size()); axis-- > 0 && random_.chance(0.8);)
        axes.push_back(random_.chance(0.5) ? axis : axis - static_cast<int32_t>(shape_.size()));
      if (random_.chance(0.1) && !shape_.empty()) axes = {0};
      Tensor constant(DType::S32, {static_cast<int64_t>(axes.size())});
      std::copy(axes.begin(), axes.end(), constant.mutable_as<int32_t>());
      const ValueId named = graph_.add_constant("axes" + std::to_string(graph_.value_count()), constant);
      const std::string op = random_.one_of<const char*>({"Sum", "Mean", "Max", "Min"});
      if (random_.chance(0.8)) {
        const Known x = any(real_);
        node(random_.one_of<const char*>({"Abs", "Square"}), {x.id}, real_, x.exact);
      }
      const ir::NodeId id = graph_.add_node(op, "n" + std::to_string(graph_.node_count()),
                                            {all_.back().dtype == real_ ? all_.back().id : any(real_).id, named},
                                            {{"keep_dims", random_.chance(0.5)}});
      graph_.outputs.push_back({"r" + std::to_string(id), graph_.output(id)});
    }
  }

  void grow_node() {
    const Known x = any(real_);
    const std::vector<Known> flags = of(DType::Bool, true), whole = of(DType::S32, true);
    switch (random_.integer(0, 9)) {
      case 0:
      case 1:
        return node(random_.one_of<const char*>({"Sigmoid", "Tanh", "Sin", "Erf", "Softsign", "Atan"}), {x.id}, real_,
                    false);
      case 2:
        return node(random_.one_of<const char*>({"Abs", "Neg", "Relu", "Relu6", "Sign"}), {x.id}, real_, x.exact);
      case 3:
      case 4: {
        const bool exact = random_.chance(0.5) && real_ != DType::BF16;
        const Known left = any(real_, exact);
        return node(random_.one_of<const char*>({"Add", "Sub", "Maximum", "Minimum", "SquaredDifference"}),
                    {left.id, operand(real_, exact)}, real_, false);
      }
      case 5:
        return node("Mul", {x.id, operand(real_, false)}, real_, false);
      case 6:
        return node(random_.one_of<const char*>({"Greater", "LessEqual", "NotEqual"}),
                    {any(real_, true).id, operand(real_, true)}, DType::Bool, true);
      case 7:
        if (flags.empty()) return;
        if (random_.chance(0.3)) return node("LogicalNot", {any(DType::Bool).id}, DType::Bool, true);
        if (random_.chance(0.3)) return node("Cast", {any(DType::Bool).id}, real_, true, {{"DstT", real_}});
        return node("SelectV2", {any(DType::Bool).id, x.id, operand(real_, false)}, real_, false);
      case 8:
        if (whole.empty()) return node("Cast", {any(real_, true).id}, DType::S32, true, {{"DstT", DType::S32}});
        if (random_.chance(0.3)) return node("Cast", {any(DType::S32).id}, real_, true, {{"DstT", real_}});
        return node(random_.one_of<const char*>({"Add", "Mul", "Maximum", "BitwiseXor"}),
                    {any(DType::S32).id, operand(DType::S32, true)}, DType::S32, true);
      default:
        // A step that is none of these stands between.
        if (shape_.empty() || real_ != DType::F32 || random_.chance(0.5)) return;
        return node("Softmax", {x.id}, real_, false);
    }
  }

  Random& random_;
  std::vector<int64_t> shape_;
  DType real_;
  ir::Graph graph_;
  std::vector<Known> all_;
};

int count_fused(const ir::Graph& graph) {
  int count = 0;
  for (const ir::NodeId id : graph.order()) count += ops::is_fused(graph.node(id)) ? 1 : 0;
  return count;
}

TEST(FusedElementwise, RandomGraphsStayWhatTheyCompute) {
  const char* rounds = std::getenv("TFE_TEST_ROUNDS");
  const plan::Backend& backend = *backends_by_name("onednn").front();
  int fused_nodes = 0, tactics = 0, reductions = 0;
  for (uint64_t seed = 1; seed <= (rounds == nullptr ? 200 : std::strtoull(rounds, nullptr, 10)); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const ir::Graph graph = Grower(random).grow();
    ir::Graph fused = graph;
    passes::fuse_elementwise(
        fused, [&](const ir::Graph& within, const ir::Node& node) { return backend.fuses(within, node); });
    reductions += passes::fuse_reductions(
        fused, [&](const ir::Graph& within, const ir::Node& node) { return backend.fuses(within, node); },
        [&](const ir::Graph& within, const ir::Node& node) { return backend.fuses_reduction(within, node); });
    ASSERT_NO_THROW(ir::verify(fused));
    fused_nodes += count_fused(fused);
    const auto inputs = testing::random_inputs(random, graph);
    const auto expected = ops::evaluate_graph(graph, inputs), actual = ops::evaluate_graph(fused, inputs);
    ASSERT_EQ(expected.size(), actual.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(testing::tensors_near(expected[i], actual[i], 0.0)) << ir::print(fused, ir::PrintMode::Dump);
    ir::Graph inferred = fused;
    ops::infer_graph(inferred);
    EXPECT_EQ(ir::print(inferred, ir::PrintMode::Dump), ir::print(fused, ir::PrintMode::Dump));
    const testing::Conformance result =
        testing::run_conformance(backend, fused, inputs, static_cast<int>(random.integer(1, 2)));
    tactics += result.tactics;
    for (const std::string& refusal : result.refusals)
      if (refusal.starts_with(ops::kFusedElementwise)) ADD_FAILURE() << refusal;
    for (const std::string& failure : result.failures)
      ADD_FAILURE() << failure << "\n" << ir::print(fused, ir::PrintMode::Dump);
  }
  EXPECT_GT(fused_nodes, 100);
  EXPECT_GT(tactics, fused_nodes);
  EXPECT_GT(reductions, 10);
}

// What a file may hold.
std::string message(const ir::Graph& graph) {
  try {
    ir::Graph copy = graph;
    ops::infer_graph(copy);
  } catch (const InvalidModel& error) {
    return error.what();
  }
  return "";
}

ir::Graph fused_graph() {
  ir::Graph graph = ir::parse(R"(graph @g(%x: f32[4]) {
    %a = Relu(%x)
    %b = Tanh(%a)
    return %b
  })");
  ops::infer_graph(graph);
  passes::fuse_elementwise(graph, [](const ir::Graph&, const ir::Node&) { return true; });
  return graph;
}

TEST(FusedElementwise, MalformedNodesAreNamed) {
  const ir::Graph good = fused_graph();
  EXPECT_EQ(message(good), "");
  const auto changed = [&](auto change) {
    ir::Graph graph = good;
    change(graph.node(0));
    return message(graph);
  };
  EXPECT_EQ(changed([](ir::Node& node) { node.regions.clear(); }),
            "FusedElementwise 'b': has no region: the nodes that it runs are missing");
  EXPECT_EQ(changed([](ir::Node& node) { node.regions.push_back(ir::Graph(node.regions[0])); }),
            "FusedElementwise 'b': has 2 regions, expected one");
  EXPECT_EQ(changed([](ir::Node& node) { node.epilogue.after_add.kind = ActKind::Relu; }),
            "FusedElementwise 'b': has an epilogue, expected none: what is behind it stands in its region");
  EXPECT_EQ(changed([](ir::Node& node) { node.regions[0].add_input("more", DType::F32, {4}); }),
            "FusedElementwise 'b': its region takes 2 inputs, expected 1");
  EXPECT_EQ(changed([](ir::Node& node) { node.regions[0].outputs.clear(); }),
            "FusedElementwise 'b': its region has 0 outputs, expected 1");
  EXPECT_EQ(changed([](ir::Node& node) { node.regions[0].node(0).op = "Nonsense"; }),
            "FusedElementwise 'b': runs Nonsense 'a', expected elementwise ops");
}

// A backend answers for any region: what it has no program for, the reference backend runs.
TEST(FusedElementwise, OtherRegionsAreRefused) {
  const plan::Backend& backend = *backends_by_name("onednn").front();
  ir::Graph graph = fused_graph();
  graph.node(0).regions[0].node(1).op = "Softmax";
  const auto result = testing::run_conformance(backend, graph, {Tensor(DType::F32, {4})});
  ASSERT_EQ(result.refusals.size(), 1u);
  EXPECT_NE(result.refusals[0].find("a node of it has no fast form"), std::string::npos) << result.refusals[0];
}

}  // namespace
}  // namespace tfengine
