// SPDX-License-Identifier: Apache-2.0
// Random graphs through the whole pipeline: what must hold for every graph.
#include <algorithm>
#include <iostream>
#include <random>
#include <set>

#include "ops/op.h"
#include "passes/pipeline.h"
#include "passes/support.h"
#include "tfengine/error.h"

namespace tfengine::passes {
namespace {

// Small feature maps through random ops; tensors are used several times, some are outputs, some nodes are denylisted.
class RandomGraph {
 public:
  explicit RandomGraph(uint64_t seed, bool quantize = false) : random_(seed), quantize_(quantize) {
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
  ir::ValueId concatenated(ir::ValueId x) {
    const ir::ValueId axis = ints(Shape{}, {-1});
    const ir::ValueId first = random_() % 2 == 0 ? conv(x) : x;
    const ir::ValueId both = node("ConcatV2", {first, conv(pick()), axis});
    const ir::ValueId scaled = node("Mul", {both, constant(Shape{8}, 0.5f, 1.5f)});
    const ir::ValueId shifted = node("Add", {scaled, constant(Shape{1, 1, 8})});
    return node("Conv2D", {shifted, constant(Shape{1, 1, 8, 4})}, window(random_() % 2 == 0 ? "SAME" : "VALID"));
  }
  ir::ValueId pooled(ir::ValueId x) {
    const ir::ValueId source = random_() % 2 == 0 ? node("Relu", {x}) : x;
    const ir::ValueId padded = node("Pad", {source, ints(Shape{4, 2}, {0, 0, 1, 1, 1, 1, 0, 0})});
    ir::Attrs attrs = window("VALID");
    attrs.emplace("ksize", std::vector<int64_t>{1, 3, 3, 1});
    return node(random_() % 3 == 0 ? "AvgPool" : "MaxPool", {padded}, std::move(attrs));
  }
  ir::ValueId gelu(ir::ValueId x) {
    const ir::ValueId erf = node("Erf", {node("Mul", {x, scalar(0.70710677f)})});
    return node("Mul", {node("Mul", {x, scalar(0.5f)}), node("Add", {erf, scalar(1.0f)})});
  }
  // As quantization-aware training leaves it: behind a tensor, and the only user of it.
  ir::ValueId quantized(ir::ValueId x) {
    const float bound = 1.0f + static_cast<float>(counter_);
    return node("FakeQuantWithMinMaxArgs", {x}, {{"min", -bound}, {"max", bound}, {"num_bits", int64_t{8}}});
  }
  void add() {
    const ir::ValueId x = pick();
    ir::ValueId y = x;
    switch (random_() % 21) {
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
      case 15:
        y = concatenated(x);
        break;
      case 16:
        y = node("BatchNormAffine", {x, constant(Shape{4}, 0.5f, 1.5f), constant(Shape{4})});
        break;
      case 17:
        y = pooled(x);
        break;
      case 18:
        y = gelu(x);
        break;
      case 19:
        y = node("Minimum", {node("Maximum", {x, scalar(-1.0f)}), scalar(2.0f)});
        break;
      default:
        y = node("Identity", {x});
        break;
    }
    maps_.push_back(quantize_ && y != x && random_() % 3 == 0 ? quantized(y) : y);
  }

  ir::Graph graph_;
  std::mt19937_64 random_;
  bool quantize_;
  std::vector<ir::ValueId> maps_;
  int counter_ = 0;
};

TEST(RandomGraphs, KeepTheirNumbers) {
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

// Every range that a quantization node gave is on a tensor that is computed, or is reported.
TEST(RandomGraphs, KeepOrReportEveryRange) {
  const uint64_t first = std::random_device{}();
  std::cout << "first seed " << first << "\n";
  for (uint64_t seed = first; seed < first + 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const ir::Graph before = RandomGraph(seed, true).take();
    ir::Graph after = before;
    PassReport report;
    try {
      report = run_pipeline(after);
    } catch (const InvalidModel& error) {
      // Two quantization nodes in a row, or two behind one tensor.
      EXPECT_NE(std::string(error.what()).find("two different ranges"), std::string::npos) << error.what();
      continue;
    }
    std::set<std::string> kept;
    for (ir::ValueId id = 0; id < after.value_count(); ++id) {
      if (after.value(id).range) kept.insert(after.value(id).range->origin);
    }
    for (const ir::NodeId id : before.order()) {
      const ir::Node& node = before.node(id);
      if (node.op != "FakeQuantWithMinMaxArgs" || node.denylisted) continue;
      const auto names_it = [&](const std::string& note) {
        return note.find("'" + node.name + "'") != std::string::npos;
      };
      const bool reported = std::any_of(report.notes.begin(), report.notes.end(), names_it);
      EXPECT_TRUE(kept.count(node.name) > 0 || reported) << node.name << "\n"
                                                         << nodes_text(before) << "->\n"
                                                         << nodes_text(after);
    }
  }
}

}  // namespace
}  // namespace tfengine::passes
