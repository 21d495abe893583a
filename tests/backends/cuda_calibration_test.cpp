// SPDX-License-Identifier: Apache-2.0
// Counting on the GPU against counting on the host: the same activations have to give the same bytes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "backends/list.h"
#include "base/buffer.h"
#include "plan/tensor_counter.h"
#include "quantize/channel_sums.h"
#include "quantize/histogram.h"
#include "support/graph_def_builder.h"
#include "support/random.h"
#include "tfengine/calibrate.h"
#include "tfengine/error.h"
#include "tfengine/gpu.h"

namespace tfengine {
namespace {

using plan::TensorCounter;
using testing::GraphDefBuilder;
using testing::Random;

class CudaCalibration : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!gpu_absence().empty()) GTEST_SKIP() << gpu_absence();
    device_ = backends_for("cuda", "").front()->device();
    queue_ = device_->make_queue();
    counter_ = device_->make_counter();
  }

  // The values in the device's memory, until the next call.
  const float* on_device(const std::vector<float>& values) {
    block_ = Buffer(device_->memory(), values.size() * sizeof(float) + 16, Purpose::Temporary, "a test");
    queue_->upload(block_.data(), values.data(), values.size() * sizeof(float));
    queue_->wait();
    return reinterpret_cast<const float*>(block_.data());
  }
  void finish() {
    counter_->finish(*queue_);
    queue_->wait();
  }

  const plan::Device* device_ = nullptr;
  std::unique_ptr<plan::Queue> queue_;
  std::unique_ptr<TensorCounter> counter_;
  Buffer block_;
};

quantize::Histogram histogram_of(plan::TensorCounts counts) {
  return quantize::Histogram::from_parts(counts.exponent,
                                         {counts.min, counts.max, counts.count, counts.zeros, counts.nans, counts.infs},
                                         std::move(counts.bins), std::move(counts.log_bins));
}

// Values as activations have them, at the given scale: zeros, both signs, and a few of another size.
std::vector<float> activations(Random& random, size_t count, float scale, bool odd) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = random.chance(0.3) ? 0.0f : scale * random.real(-1.0f, 2.0f);
    if (random.chance(0.05)) value = -0.0f;
    if (odd && random.chance(0.001)) {
      value = random.one_of<float>({std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                                    -std::numeric_limits<float>::infinity(), 1e-42f, 1e-20f});
    }
  }
  return values;
}

TEST_F(CudaCalibration, CountsAsTheHostDoes) {
  Random random(7);
  // Larger ones behind smaller ones widen the bins, once by more octaves than there are bins to fold.
  const float scales[] = {0.01f, 0.02f, 3.0f, 1.0f, 1e6f, 2e38f};
  for (const size_t count : {size_t{1}, size_t{3}, size_t{1021}, size_t{100'003}, size_t{3'000'000}}) {
    for (const bool odd : {false, true}) {
      const int slot = counter_->add_counts();
      counter_->reserve_peaks(1);
      quantize::Histogram want;
      for (const float scale : scales) {
        const std::vector<float> values = activations(random, count, scale, odd);
        const auto stride = std::max<int64_t>(1, static_cast<int64_t>(count) / 1024);
        quantize::Moments moments;
        for (const float value : values) moments.add(value);
        quantize::Histogram one;
        one.add(values.data(), values.size());
        quantize::Histogram sampled;
        sampled.add_log(values.data(), values.size(), static_cast<size_t>(stride));
        // The plain way counts all values logarithmically.
        want.merge(quantize::Histogram::from_parts(
            one.exponent(), one.moments(),
            one.exponent() == quantize::Histogram::kUnset
                ? std::vector<uint64_t>{}
                : std::vector<uint64_t>(one.positive(), one.positive() + 2 * quantize::Histogram::kBins),
            sampled.log_counts()));
        plan::CountTask task;
        task.slot = slot;
        task.data = on_device(values);
        task.elements = static_cast<int64_t>(count);
        task.log_stride = stride;
        task.peaks = 1;
        counter_->count(*queue_, task);
        finish();
        EXPECT_EQ(counter_->peaks()[0], moments.max_abs());
      }
      EXPECT_TRUE(histogram_of(counter_->take_counts(slot)) == want) << count << " values" << (odd ? ", odd ones" : "");
      EXPECT_TRUE(histogram_of(counter_->take_counts(slot)).moments().count == 0) << "taken twice";
    }
  }
}

TEST_F(CudaCalibration, NotesThePeaksOfParts) {
  const int slot = counter_->add_counts();
  std::vector<float> values(4 * 1000, 0.25f);
  for (int part = 0; part < 4; ++part)
    values[static_cast<size_t>(part * 1000 + 17 * part)] = -1.0f - static_cast<float>(part);
  values[3] = std::numeric_limits<float>::infinity();
  counter_->reserve_peaks(6);
  plan::CountTask task;
  task.slot = slot;
  task.data = on_device(values);
  task.samples = 4;
  task.elements = 1000;
  task.peaks = 4;
  task.first_peak = 2;
  counter_->count(*queue_, task);
  finish();
  for (int part = 0; part < 4; ++part) {
    EXPECT_EQ(counter_->peaks()[static_cast<size_t>(2 + part)], 1.0f + static_cast<float>(part));
  }
}

TEST_F(CudaCalibration, AddsUpChannelsInTheHostsOrder) {
  Random random(11);
  const struct {
    int64_t samples, rows, channels;
  } cases[] = {{1, 1, 1}, {1, 49, 33}, {2, 700, 64}, {3, 12544, 96}, {1, 300, 5}};
  for (const auto& c : cases) {
    const int slot = counter_->add_sums(c.channels);
    const auto taken = quantize::ChannelSums::rows_of_sample(c.rows);
    const int rows = counter_->add_rows(taken);
    quantize::ChannelSums want;
    for (const float scale : {1e-13f, 1.0f, 3e4f}) {
      const std::vector<float> values =
          activations(random, static_cast<size_t>(c.samples * c.rows * c.channels), scale, false);
      for (int64_t n = 0; n < c.samples; ++n) {
        want.add_sample(values.data() + n * c.rows * c.channels, c.rows, c.channels, c.channels);
      }
      plan::SumTask task;
      task.slot = slot;
      task.data = on_device(values);
      task.samples = c.samples;
      task.rows_per_sample = c.rows;
      task.channels = c.channels;
      task.rows = rows;
      counter_->sum(*queue_, task);
      finish();
    }
    plan::TensorSums got = counter_->take_sums(slot);
    EXPECT_TRUE(quantize::ChannelSums::from_parts(std::move(got.sums), want.rows(), got.broken) == want)
        << c.samples << " x " << c.rows << " x " << c.channels;
  }
}

TEST_F(CudaCalibration, SumsThatAreNotFiniteAreBroken) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -2e18f}) {
    const int slot = counter_->add_sums(4);
    const std::vector<float> values = {1.0f, bad, 2.0f, 3.0f};
    plan::SumTask task;
    task.slot = slot;
    task.data = on_device(values);
    task.rows_per_sample = 1;
    task.channels = 4;
    task.rows = counter_->add_rows(std::vector<int64_t>{0});
    counter_->sum(*queue_, task);
    finish();
    EXPECT_TRUE(counter_->take_sums(slot).broken) << bad;
    EXPECT_FALSE(counter_->take_sums(slot).broken) << "taken twice";
  }
}

// A network of small whole numbers, which any order of adding up gives exactly, TF32's products too.
Model whole_numbers() {
  GraphDefBuilder b;
  const auto weights = [&](const std::string& name, const Shape& shape, int seed) {
    Tensor tensor(DType::F32, shape);
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      tensor.mutable_as<float>()[i] = static_cast<float>((i * 7 + seed * 3) % 5 - 2);
    }
    return b.node("Const", name, {}, {{"dtype", tfgraph::type_attr(1)}, {"value", tfgraph::tensor_attr(tensor)}});
  };
  const auto conv = [&](const std::string& name, const std::string& input, int64_t in, int64_t out, int seed) {
    const std::string product = b.node("Conv2D", name, {input, weights(name + "/w", {3, 3, in, out}, seed)},
                                       {{"T", tfgraph::type_attr(1)},
                                        {"strides", tfgraph::ints_attr({1, 1, 1, 1})},
                                        {"padding", tfgraph::string_attr("SAME")},
                                        {"data_format", tfgraph::string_attr("NHWC")}});
    return b.node("Relu", name + "/relu", {product});
  };
  b.placeholder("images", {-1, 10, 10, 3});
  const std::string first = conv("first", "images", 3, 16, 1);
  const std::string pooled = b.node("MaxPool", "pool", {first},
                                    {{"T", tfgraph::type_attr(1)},
                                     {"ksize", tfgraph::ints_attr({1, 2, 2, 1})},
                                     {"strides", tfgraph::ints_attr({1, 2, 2, 1})},
                                     {"padding", tfgraph::string_attr("VALID")}});
  const std::string second = conv("second", pooled, 16, 16, 2);
  b.node("Add", "sum", {second, pooled});
  b.node("Identity", "out", {"sum"});
  return Model::from_graph_def(b.bytes());
}

Batch whole_batch(int64_t samples, int seed) {
  Tensor images(DType::F32, {samples, 10, 10, 3});
  for (int64_t i = 0; i < images.elements(); ++i) {
    images.mutable_as<float>()[i] = static_cast<float>((i * i + seed * i) % (4 + seed));
  }
  return {{"", images}};
}

TEST_F(CudaCalibration, GivesTheHostsBytesForTheSameActivations) {
  const Model model = whole_numbers();
  std::string bytes[2];
  for (const bool gpu : {false, true}) {
    CalibrateOptions options;
    options.device = gpu ? "cuda" : "cpu";
    Calibrator calibrator(model, options);
    calibrator.run(whole_batch(1, 1));
    calibrator.run(whole_batch(5, 2));
    (void)calibrator.result();  // what was fetched is not counted twice
    calibrator.run(whole_batch(3, 9));
    bytes[gpu ? 1 : 0] = calibrator.result().serialize();
  }
  EXPECT_GT(bytes[0].size(), 500u);
  EXPECT_TRUE(bytes[0] == bytes[1]);
}

TEST_F(CudaCalibration, GoesOnFromWhatTheHostCounted) {
  const Model model = whole_numbers();
  Calibrator host(model, {});
  host.run(whole_batch(4, 3));
  const Calibration earlier = host.result();
  host.run(whole_batch(2, 5));
  CalibrateOptions options;
  options.device = "cuda:0";
  Calibrator gpu(model, options);
  gpu.resume(earlier);
  gpu.run(whole_batch(2, 5));
  EXPECT_TRUE(gpu.result().serialize() == host.result().serialize());
}

TEST_F(CudaCalibration, MemoryOfTheHostIsRefused) {
  CalibrateOptions options;
  options.device = "cuda";
  options.allocator = &default_allocator();
  EXPECT_THROW(Calibrator(whole_numbers(), options), InvalidArgument);
}

}  // namespace
}  // namespace tfengine
