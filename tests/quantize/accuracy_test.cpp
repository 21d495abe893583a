// SPDX-License-Identifier: Apache-2.0
// The whole of quantization in numbers: random nets are observed in float, each calibrator's ranges rewrite them, and
// the INT8 graph, evaluated by definition, has to stay near the float one.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/printer.h"
#include "ir/verifier.h"
#include "ops/op.h"
#include "quantize/metrics.h"
#include "quantize/random_data.h"
#include "quantize/rewrite.h"
#include "quantize/rules.h"

namespace tfengine::quantize {
namespace {

// Grows a graph block by block; all tensors are [n, 8, 8, channels].
class NetBuilder {
 public:
  explicit NetBuilder(Rng& rng) : rng_(rng) { value_ = graph_.add_input("x", DType::F32, {-1, 8, 8, 3}); }

  ir::Graph finish() {
    const ir::ValueId mean = op("Mean", {value_, ints({1, 2})}, {{"keep_dims", false}});
    const ir::ValueId logits = op("MatMul", {mean, weights({channels_, 10}, channels_)}, {});
    graph_.outputs.push_back({"logits", with_epilogue(logits, 10, {})});
    ops::infer_graph(graph_);
    ir::verify(graph_);
    return graph_;
  }

  void conv(int64_t out, Act act) {
    value_ = conv_of(value_, channels_, out, act);
    channels_ = out;
  }
  void depthwise(Act act) {
    const ir::ValueId filter = weights({3, 3, channels_, 1}, 9);
    const ir::Attrs attrs = {{"strides", std::vector<int64_t>{1, 1, 1, 1}}, {"padding", std::string("SAME")}};
    value_ = with_epilogue(op("DepthwiseConv2dNative", {value_, filter}, attrs), channels_, act);
  }
  void residual() {
    const ir::ValueId first = conv_of(value_, channels_, channels_, {ActKind::Relu});
    const ir::ValueId second = conv_of(first, channels_, channels_, {});
    ir::Node& node = graph_.node(graph_.value(second).producer);
    const int index = graph_.add_node_input(graph_.value(second).producer, value_);
    node.epilogue.residual = index;
    node.epilogue.after_add = {ActKind::Relu};
    value_ = second;
  }
  void branches() {
    const ir::ValueId left = conv_of(value_, channels_, 4, {ActKind::Relu});
    const ir::ValueId right = conv_of(value_, channels_, 8, {ActKind::Swish});
    value_ = op("ConcatV2", {left, pool("MaxPool", value_), right, scalar(3)}, {});
    channels_ += 12;
  }
  void squeeze_excite() {
    const ir::ValueId mean = op("Mean", {value_, ints({1, 2})}, {{"keep_dims", true}});
    const ir::ValueId squeezed = conv_of(mean, channels_, 4, {ActKind::Swish});
    value_ = op("Mul", {value_, conv_of(squeezed, 4, channels_, {ActKind::Sigmoid})}, {});
  }
  void average() { value_ = pool("AvgPool", value_); }
  void activation() { value_ = op("HardSwish", {value_}, {}); }

 private:
  ir::ValueId op(const char* name, std::vector<ir::ValueId> inputs, ir::Attrs attrs) {
    const std::string node = std::string(name) + "_" + std::to_string(graph_.node_count());
    return graph_.output(graph_.add_node(name, node, std::move(inputs), std::move(attrs)));
  }
  ir::ValueId constant(Tensor tensor) {
    return graph_.add_constant("k" + std::to_string(graph_.value_count()), tensor);
  }
  ir::ValueId ints(const std::vector<int32_t>& values) {
    return constant(Tensor::of(DType::S32, {static_cast<int64_t>(values.size())}, values));
  }
  ir::ValueId scalar(int32_t value) { return constant(Tensor::of(DType::S32, {}, std::vector<int32_t>{value})); }
  // He initialisation keeps activations of order 1 through the layers.
  ir::ValueId weights(const Shape& shape, int64_t fan_in) {
    const float deviation = std::sqrt(2.0f / static_cast<float>(fan_in));
    return constant(Tensor::of(DType::F32, shape, normal(rng_, static_cast<size_t>(shape.elements()), deviation)));
  }
  ir::ValueId with_epilogue(ir::ValueId value, int64_t channels, Act act) {
    const ir::NodeId node = graph_.value(value).producer;
    const Tensor bias = Tensor::of(DType::F32, {channels}, normal(rng_, static_cast<size_t>(channels), 0.1f));
    graph_.node(node).epilogue.bias = graph_.add_node_input(node, constant(bias));
    graph_.node(node).epilogue.after_add = act;
    return value;
  }
  ir::ValueId conv_of(ir::ValueId input, int64_t in, int64_t out, Act act) {
    const ir::Attrs attrs = {{"strides", std::vector<int64_t>{1, 1, 1, 1}}, {"padding", std::string("SAME")}};
    return with_epilogue(op("Conv2D", {input, weights({3, 3, in, out}, 9 * in)}, attrs), out, act);
  }
  ir::ValueId pool(const char* kind, ir::ValueId input) {
    return op(kind, {input},
              {{"ksize", std::vector<int64_t>{1, 3, 3, 1}},
               {"strides", std::vector<int64_t>{1, 1, 1, 1}},
               {"padding", std::string("SAME")}});
  }

  Rng& rng_;
  ir::Graph graph_;
  ir::ValueId value_ = ir::kNone;
  int64_t channels_ = 3;
};

ir::Graph random_net(Rng& rng) {
  constexpr Act kActs[] = {{ActKind::Relu}, {ActKind::Clip, 0.0f, 6.0f}, {ActKind::Swish}, {ActKind::HardSwish}, {}};
  NetBuilder net(rng);
  net.conv(8, kActs[rng() % 5]);
  for (int block = 0; block < 4; ++block) {
    switch (rng() % 7) {
      case 0:
        net.conv(8, kActs[rng() % 5]);
        break;
      case 1:
        net.depthwise(kActs[rng() % 5]);
        break;
      case 2:
        net.residual();
        break;
      case 3:
        net.branches();
        break;
      case 4:
        net.squeeze_excite();
        break;
      case 5:
        net.average();
        break;
      default:
        net.activation();
    }
  }
  return net.finish();
}

Tensor images(Rng& rng, int64_t count) {
  return Tensor::of(DType::F32, {count, 8, 8, 3}, normal(rng, static_cast<size_t>(count * 8 * 8 * 3)));
}

struct Observer {
  const ir::Graph* graph;
  std::vector<bool> wanted;
  HistogramSet set;
};

HistogramSet observe(const ir::Graph& graph, const Tensor& input) {
  Observer observer{&graph, std::vector<bool>(static_cast<size_t>(graph.value_count()), false), {}};
  for (const ir::ValueId id : tensors_to_observe(graph)) observer.wanted[static_cast<size_t>(id)] = true;
  ops::evaluate_graph(
      graph, std::vector<Tensor>{input},
      [](void* state, ir::ValueId id, const Tensor& tensor) {
        auto& self = *static_cast<Observer*>(state);
        if (!self.wanted[static_cast<size_t>(id)]) return;
        self.set.tensors[self.graph->value(id).name].add(tensor.as<float>(), static_cast<size_t>(tensor.elements()));
      },
      &observer);
  return observer.set;
}

double noise_db(const ir::Graph& graph, const ir::Graph& int8, const Tensor& input) {
  const std::vector<Tensor> inputs = {input};
  return signal_to_noise_db(ops::evaluate_graph(graph, inputs)[0], ops::evaluate_graph(int8, inputs)[0]);
}

TEST(Accuracy, RandomNetsStayNearTheirFloatResults) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE(seed);
  Rng rng(seed);
  double sum = 0.0;
  int count = 0;
  for (int round = 0; round < 12; ++round) {
    const ir::Graph graph = random_net(rng);
    const HistogramSet set = observe(graph, images(rng, 8));
    const Tensor input = images(rng, 4);
    for (const std::string_view calibrator : calibrator_names()) {
      for (const Int8Grid grid : {Int8Grid::Best, Int8Grid::TensorRT}) {
        const SolvedRanges solved = solve_ranges(set, {std::string(calibrator), 99.99, 127}, non_negative_names(graph));
        RewriteOptions options;
        options.grid = grid;
        const RewriteResult result = rewrite_to_int8(graph, solved.table, options);
        ir::verify(result.graph);
        // Everything but the mean's float result can be INT8 here; one Quantize for the input is all that is needed.
        EXPECT_EQ(result.report.quantize_nodes, 1) << ir::print(result.graph, ir::PrintMode::Dump);
        EXPECT_EQ(result.report.dequantize_nodes, 0) << ir::print(result.graph, ir::PrintMode::Dump);
        const double db = noise_db(graph, result.graph, input);
        // Rare nets cancel nearly all of their signal on the way: about 11 dB with every calibrator.
        EXPECT_GT(db, 6.0) << calibrator << "\n" << ir::print(result.graph, ir::PrintMode::Dump);
        sum += db;
        ++count;
      }
    }
  }
  // Each of about six layers adds noise 40 dB down; entropy clips more than that on so few values. Usual: 33.
  EXPECT_GT(sum / count, 25.0);
  RecordProperty("mean_db", std::to_string(sum / count));
}

TEST(Accuracy, UnsignedGridIsWorthABit) {
  Rng rng(3);
  NetBuilder net(rng);
  net.conv(16, {ActKind::Relu});
  net.conv(16, {ActKind::Relu});
  net.residual();
  const ir::Graph graph = net.finish();
  const RangeTable table = solve_ranges(observe(graph, images(rng, 16)), {"auto"}, non_negative_names(graph)).table;
  RewriteOptions tensorrt;
  tensorrt.grid = Int8Grid::TensorRT;
  const Tensor input = images(rng, 8);
  EXPECT_GT(noise_db(graph, rewrite_to_int8(graph, table, {}).graph, input),
            noise_db(graph, rewrite_to_int8(graph, table, tensorrt).graph, input));
}

TEST(Accuracy, WorkersFindTheSameRangesAsOne) {
  Rng rng(4);
  const ir::Graph graph = random_net(rng);
  const Tensor first = images(rng, 3), second = images(rng, 5);
  std::vector<float> all(first.as<float>(), first.as<float>() + first.elements());
  all.insert(all.end(), second.as<float>(), second.as<float>() + second.elements());
  const HistogramSet whole = observe(graph, Tensor::of(DType::F32, {8, 8, 8, 3}, all));
  HistogramSet merged = observe(graph, second);
  merged.merge(observe(graph, first));
  for (const std::string_view calibrator : calibrator_names()) {
    const SolverOptions options = {std::string(calibrator), 99.99, 127};
    EXPECT_EQ(solve_ranges(merged, options, {}).table, solve_ranges(whole, options, {}).table) << calibrator;
  }
}

}  // namespace
}  // namespace tfengine::quantize
