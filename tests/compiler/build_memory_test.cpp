// SPDX-License-Identifier: Apache-2.0
// What a host's allocator is asked for while an engine is built from constants that the host has in memory already. Nothing is
// timed: what timing takes depends on how many tactics a step has.
#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>

#include "base/host_memory.h"
#include "compiler/model_impl.h"
#include "errors/messages.h"
#include "support/graph_def_builder.h"
#include "support/random.h"
#include "tfengine/convert.h"

namespace tfengine {
namespace {

constexpr int64_t kWidth = 512;
constexpr int kLayers = 8;
constexpr double kWeightBytes = kLayers * kWidth * kWidth * 4.0;

// A DT_FLOAT tensor whose contents are the `number`-th outside, as an attribute.
std::string outside_attr(const Shape& shape, uint64_t number) {
  std::string tensor, attr;
  protozero::pbf_writer fields(tensor);
  fields.add_int32(1, 1);
  {
    protozero::pbf_writer dims(fields, 2);
    for (const int64_t size : shape) {
      protozero::pbf_writer dim(dims, 2);
      dim.add_int64(1, size);
    }
  }
  fields.add_uint64(tfgraph::kOutsideField, number);
  protozero::pbf_writer(attr).add_message(8, tensor);
  return attr;
}

// Dense layers, whose weights the host holds; `scaled`: behind each a multiplication that is folded into the weights.
class Host {
 public:
  explicit Host(bool scaled) {
    testing::Random random(1);
    testing::GraphDefBuilder graph;
    std::string last = graph.placeholder("x", {-1, kWidth});
    for (int i = 0; i < kLayers; ++i) {
      const std::string layer = "layer" + std::to_string(i);
      weights_.push_back(testing::random_tensor(random, DType::F32, {kWidth, kWidth}, -0.1f, 0.1f));
      const std::string weights = layer + "/weights", scale = layer + "/scale", scaled_layer = layer + "/scaled";
      graph.node("Const", weights, {},
                 {{"dtype", tfgraph::type_attr(1)},
                  {"value", outside_attr(weights_.back().shape(), static_cast<uint64_t>(i))}});
      last = graph.node("MatMul", layer, {last, weights});
      if (scaled) last = graph.node("Mul", scaled_layer, {last, graph.constant(scale, {kWidth})});
      last = graph.node("Relu", "relu" + std::to_string(i), {last});
    }
    output_ = last;
    bytes_ = std::make_shared<const std::string>(graph.bytes());
  }

  Model model() const {
    std::vector<tfgraph::OutsideContents> outside;
    for (const Tensor& tensor : weights_) {
      outside.push_back({{static_cast<const char*>(tensor.data()), tensor.bytes()}, nullptr});
    }
    return model(std::move(outside));
  }
  Model model(std::vector<tfgraph::OutsideContents> outside) const {
    LoadOptions load;
    load.inputs = {"x"};
    load.outputs = {output_};
    return detail::model_of_graph_def(*bytes_, bytes_, load, "host's", std::move(outside));
  }

 private:
  std::vector<Tensor> weights_;
  std::string output_;
  std::shared_ptr<const std::string> bytes_;
};

NamedTensor batch(int64_t size) {
  testing::Random random(static_cast<uint64_t>(size));
  return {"", testing::random_tensor(random, DType::F32, {size, kWidth}, -1.0f, 1.0f)};
}

// In multiples of the weights' bytes.
struct Used {
  double peak = 0.0;          // while the engine is built
  double held = 0.0;          // by it
  double peak_of_next = 0.0;  // while it plans for other shapes
  std::vector<float> scores;
};

Used used(const Host& host, const std::string& precision) {
  ConvertOptions options;
  if (precision == "int8") {
    Calibrator calibrator(host.model());
    calibrator.run({batch(16)});
    options.calibration_table = calibrator.result().table("minmax");
  }
  const auto memory = std::make_shared<SystemAllocator>();
  options.precision = precision;
  options.engine.allocator = memory.get();
  options.engine.time_tactics = false;
  options.engine.threads = 1;
  options.model_again = [&] { return host.model(); };
  options.batch_size = 4;
  Used result;
  const HostMemoryScope scope(memory);
  const Engine engine = convert(host.model(), options);
  result.peak = static_cast<double>(memory->stats().total_peak_bytes) / kWeightBytes;
  result.held = static_cast<double>(memory->bytes_in_use()) / kWeightBytes;
  const std::vector<NamedTensor> outputs = engine.run({batch(5)});
  result.peak_of_next = static_cast<double>(memory->stats().total_peak_bytes) / kWeightBytes;
  const Tensor& scores = outputs[0].tensor;
  result.scores.assign(scores.as<float>(), scores.as<float>() + scores.elements());
  return result;
}

void expect_scores(const Host& host, const std::vector<float>& got, float tolerance) {
  const Tensor wanted = convert(host.model()).run({batch(5)})[0].tensor;
  ASSERT_EQ(static_cast<size_t>(wanted.elements()), got.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted.as<float>()[i], tolerance) << i;
}

TEST(BuildMemory, IsThatOfThePackedWeightsWhereNothingIsFolded) {
  const Host host(false);
  const Used fp32 = used(host, "fp32");
  EXPECT_LT(fp32.peak, 1.1);
  EXPECT_GT(fp32.held, 0.9);
  EXPECT_LT(fp32.held, 1.05);
  EXPECT_LT(fp32.peak_of_next, 1.1);
  expect_scores(host, fp32.scores, 1e-3f);
}

TEST(BuildMemory, FoldedWeightsGoAsTheyArePacked) {
  const Host host(true);
  const Used fp32 = used(host, "fp32");
  EXPECT_LT(fp32.peak, 1.25);  // all folded weights, and one layer's packed
  EXPECT_LT(fp32.held, 1.05);
  EXPECT_LT(fp32.peak_of_next,
            2.2);  // the next plan finds its packed weights, and needs the folded ones to look for them
  expect_scores(host, fp32.scores, 1e-3f);
}

TEST(BuildMemory, FloatWeightsGoBeforeInt8OnesArePacked) {
  const Host host(true);
  const Used int8 = used(host, "int8");
  EXPECT_LT(int8.peak, 1.4);  // folded ones and integers
  EXPECT_LT(int8.held, 0.3);
  EXPECT_LT(int8.peak_of_next, 1.7);
  expect_scores(host, int8.scores, 0.05f);
}

TEST(OutsideContents, HaveToBeThere) {
  const Host host(false);
  testing_errors::expect_message<InvalidModel>(
      "'host's': Const 'layer1/weights': a constant's contents have number 1, expected less than 1", [&] {
        host.model({{std::string_view(), nullptr}});
      });
}

TEST(OutsideContents, MeanNothingInAFile) {
  testing::GraphDefBuilder graph;
  graph.node("Const", "c", {}, {{"dtype", tfgraph::type_attr(1)}, {"value", outside_attr({3}, 0)}});
  graph.node("Relu", "y", {"c"});
  const std::string bytes = graph.bytes();
  const Engine engine = convert(Model::from_graph_def(bytes));
  const Tensor zeros = engine.run({})[0].tensor;  // as TensorFlow reads a tensor without values
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(zeros.as<float>()[i], 0.0f);
}

}  // namespace
}  // namespace tfengine
