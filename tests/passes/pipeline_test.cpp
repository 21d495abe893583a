// SPDX-License-Identifier: Apache-2.0
// The runner and the order of the passes; random graphs through all of them.
#include "passes/pipeline.h"

#include <algorithm>
#include <iostream>
#include <random>

#include "base/check.h"
#include "ops/op.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

constexpr const char* kBlock = R"(graph @g(%x: f32[?,6,6,3]) {
  %w = const f32[3,3,3,3] uniform(1, -1.0, 1.0)
  %b = const f32[3] uniform(2, -1.0, 1.0)
  %c = Conv2D(%x, %w) {strides=[1,1,1,1], padding="SAME"}
  %d = BiasAdd(%c, %b)
  %r = Relu6(%d)
  %a = Add(%r, %x)
  %i = Identity(%a)
  return %i as "Identity"
})";

TEST(Pipeline, FusesABlockAndKeepsTheOutputsName) {
  EXPECT_EQ(rewrite_all(kBlock).nodes,
            "%i = Conv2D(%x, %w, %c/bias, %x) {padding=\"SAME\", strides=[1, 1, 1, 1]} "
            "epilogue(bias=2, before=Clip(0.0, 6.0), residual=3) name(\"c\")\n");
}

TEST(Pipeline, PassesCanBeSwitchedOffAndSeen) {
  ir::Graph graph = parse_and_infer(kBlock);
  PassOptions options;
  options.disabled = {"fuse_epilogues", "clean_up"};
  std::vector<std::string> seen;
  options.dump = [&](std::string_view pass, const ir::Graph&) { seen.emplace_back(pass); };
  const PassReport report = run_pipeline(graph, options);
  EXPECT_EQ(op_histogram(graph)["Identity"], 1);
  EXPECT_EQ(op_histogram(graph)["Relu6"], 1);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "fuse_epilogues"), 0);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "fold_constants"), 2);
  for (const PassStats& stats : report.passes) {
    EXPECT_EQ(stats.skipped, stats.name == "fuse_epilogues" || stats.name == "clean_up") << stats.name;
  }
}

TEST(Pipeline, ADefectOfAPassIsFoundInThatPass) {
  ir::Graph graph = parse_and_infer(kBlock);
  PassReport report;
  const PassFn broken = [](ir::Graph& g, PassContext&) {
    g.node(0).inputs[0] = g.output(g.node_count() - 1);  // a cycle, and use lists out of step
    return 0;
  };
  try {
    run_pass("broken", broken, graph, {}, report);
    FAIL() << "expected InternalError";
  } catch (const InternalError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("pass 'broken' left a malformed graph:", 0), 0u) << error.what();
  }
}

TEST(Pipeline, TwiceIsOnce) {
  ir::Graph graph = parse_and_infer(kBlock);
  run_pipeline(graph);
  const std::string once = nodes_text(graph);
  run_pipeline(graph);
  EXPECT_EQ(nodes_text(graph), once);
}

// Small feature maps through random ops; tensors are used several times, some are outputs, some nodes are denylisted.
class RandomGraph {
 public:
  explicit RandomGraph(uint64_t seed) : random_(seed) {
    maps_.push_back(graph_.add_input("x", DType::F32, Shape{-1, 6, 6, 4}));
    const int nodes = 3 + static_cast<int>(random_() % 20);
    for (int i = 0; i < nodes; ++i) add();
    graph_.outputs.push_back({"out", maps_.back()});
    for (int i = 0; i < 2; ++i) {
      const ir::ValueId extra = pick();
      if (graph_.value(extra).producer != ir::kNone && !graph_.is_output(extra)) {
        graph_.outputs.push_back({"extra" + std::to_string(i), extra});
      }
    }
    graph_.remove_dead();
    ops::infer_graph(graph_);
  }
  ir::Graph take() { return std::move(graph_); }

 private:
  ir::ValueId pick() {
    // Rather recent ones: chains are what fuses.
    const size_t back = std::min<size_t>(random_() % 3 == 0 ? random_() % maps_.size() : 0, maps_.size() - 1);
    return maps_[maps_.size() - 1 - back];
  }
  ir::ValueId constant(Shape shape, float low = -1.0f, float high = 1.0f) {
    Tensor tensor(DType::F32, shape);
    std::uniform_real_distribution<float> uniform(low, high);
    for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = uniform(random_);
    return graph_.add_constant("c" + std::to_string(counter_++), std::move(tensor));
  }
  ir::ValueId scalar(float number) {
    return graph_.add_constant("c" + std::to_string(counter_++), Tensor::of<float>(DType::F32, Shape{}, {number}));
  }
  ir::ValueId ints(Shape shape, const std::vector<int32_t>& numbers) {
    return graph_.add_constant("c" + std::to_string(counter_++), Tensor::of<int32_t>(DType::S32, shape, numbers));
  }
  ir::ValueId node(const std::string& op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    const ir::NodeId id = graph_.add_node(op, "n" + std::to_string(counter_++), std::move(inputs), std::move(attrs));
    if (random_() % 25 == 0) graph_.node(id).denylisted = true;
    return graph_.output(id);
  }
  ir::ValueId conv(ir::ValueId x) {
    const bool same = random_() % 2 == 0;
    if (random_() % 3 == 0) {
      return node("DepthwiseConv2dNative", {x, constant(Shape{3, 3, 4, 1})}, window("SAME"));
    }
    if (same) return node("Conv2D", {x, constant(Shape{3, 3, 4, 4}, -0.3f, 0.3f)}, window("SAME"));
    const ir::ValueId padded = node("Pad", {x, ints(Shape{4, 2}, {0, 0, 1, 1, 1, 1, 0, 0})});
    return node("Conv2D", {padded, constant(Shape{3, 3, 4, 4}, -0.3f, 0.3f)}, window("VALID"));
  }
  static ir::Attrs window(const std::string& padding) {
    return {{"strides", std::vector<int64_t>{1, 1, 1, 1}}, {"padding", padding}};
  }
  ir::ValueId dense(ir::ValueId x) {
    const ir::ValueId flat = node("Reshape", {x, ints(Shape{2}, {-1, 4})});
    const ir::ValueId product = node("MatMul", {flat, constant(Shape{4, 4})});
    return node("Reshape", {product, ints(Shape{4}, {-1, 6, 6, 4})});
  }
  ir::ValueId transposed(ir::ValueId x) {
    const ir::ValueId nchw = node("Transpose", {x, ints(Shape{4}, {0, 3, 1, 2})});
    const ir::ValueId scaled = node("Mul", {nchw, constant(Shape{4, 1, 1}, 0.5f, 1.5f)});
    return node("Transpose", {random_() % 2 == 0 ? node("Relu", {scaled}) : scaled, ints(Shape{4}, {0, 2, 3, 1})});
  }
  ir::ValueId hard_swish(ir::ValueId x) {
    const ir::ValueId gate = node("Relu6", {node("Add", {x, scalar(3.0f)})});
    return node("Mul", {x, node("RealDiv", {gate, scalar(6.0f)})});
  }
  ir::ValueId squeeze_excite(ir::ValueId x) {
    const ir::ValueId mean = node("Mean", {x, ints(Shape{2}, {1, 2})}, {{"keep_dims", true}});
    const ir::ValueId gate = node("Conv2D", {mean, constant(Shape{1, 1, 4, 4})}, window("SAME"));
    return node("Mul", {x, node("Sigmoid", {node("BiasAdd", {gate, constant(Shape{4})})})});
  }
  void add() {
    const ir::ValueId x = pick();
    ir::ValueId y = x;
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
        y = conv(x);
        break;
      case 3:
        y = node("BiasAdd", {x, constant(Shape{4})});
        break;
      case 4:
        y = node("Mul", {x, constant(Shape{1, 1, 1, 4}, 0.5f, 1.5f)});
        break;
      case 5:
        y = node("Relu", {x});
        break;
      case 6:
        y = node("Relu6", {x});
        break;
      case 7:
      case 8:
        y = node("Add", {x, pick()});
        break;
      case 9:
        y = dense(x);
        break;
      case 10:
        y = transposed(x);
        break;
      case 11:
        y = hard_swish(x);
        break;
      case 12:
        y = squeeze_excite(x);
        break;
      case 13:
        y = node("Mul", {x, node("Sigmoid", {x})});
        break;
      case 14:
        y = node("Sub", {x, constant(Shape{4})});
        break;
      default:
        y = node("Identity", {x});
        break;
    }
    maps_.push_back(y);
  }

  ir::Graph graph_;
  std::mt19937_64 random_;
  std::vector<ir::ValueId> maps_;
  int counter_ = 0;
};

TEST(Pipeline, RandomGraphsKeepTheirNumbers) {
  const uint64_t first = std::random_device{}();
  std::cout << "first seed " << first << "\n";
  for (uint64_t seed = first; seed < first + 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph before = RandomGraph(seed).take();
    ir::Graph after = before;
    run_pipeline(after);
    const std::vector<Tensor> inputs = random_inputs(before, seed);
    expect_same_outputs(ops::evaluate_graph(before, inputs), ops::evaluate_graph(after, inputs), 1e-4,
                        nodes_text(before) + "->\n" + nodes_text(after));
    for (size_t i = 0; i < before.outputs.size(); ++i) {
      EXPECT_EQ(before.value(before.outputs[i].value).name, after.value(after.outputs[i].value).name);
    }
    const auto denylisted = [](const ir::Graph& graph) {
      std::vector<std::string> names;
      for (const ir::NodeId id : graph.order()) {
        if (graph.node(id).denylisted && graph.node(id).epilogue.empty()) names.push_back(graph.node(id).name);
      }
      std::sort(names.begin(), names.end());
      return names;
    };
    EXPECT_EQ(denylisted(before), denylisted(after));
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace tfengine::passes
