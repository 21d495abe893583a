// SPDX-License-Identifier: Apache-2.0
// The whole line on real data, through the public API: two trained networks, 128 calibration images, 400 test images.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

const std::string kDigits = TFE_SOURCE_DIR "/examples/digits/";

DataOptions data_options(bool labels) {
  DataOptions options;
  options.batch_size = 16;
  options.feature = "image_raw";
  options.feature_shape = Shape{8, 8, 1};
  options.scale = {0.0625f, 0.0625f, 0.0625f};
  if (labels) options.label_feature = "label";
  return options;
}

double accuracy(const Engine& engine) {
  const auto data = open_data(kDigits + "data/test.tfrecord", data_options(true));
  int64_t right = 0, total = 0;
  for (Batch batch; data->next(batch);) {
    Tensor labels;
    std::vector<NamedTensor> inputs;
    for (const NamedTensor& tensor : batch) {
      if (tensor.name == "label") {
        labels = tensor.tensor;
      } else {
        inputs.push_back({"", tensor.tensor});
      }
    }
    const Tensor scores = engine.run(inputs)[0].tensor;
    for (int64_t n = 0; n < scores.shape()[0]; ++n) {
      const float* row = scores.as<float>() + n * 10;
      right += std::max_element(row, row + 10) - row == labels.as<int64_t>()[n] ? 1 : 0;
      ++total;
    }
  }
  EXPECT_EQ(total, 400);
  return static_cast<double>(right) / static_cast<double>(total);
}

Calibration calibrated(const Model& model) {
  const auto data = open_data(kDigits + "data/calibration.tfrecord", data_options(false));
  CalibrateOptions options;
  options.threads = 2;
  return calibrate(model, *data, options);
}

ConvertOptions convert_options(const std::string& precision) {
  ConvertOptions options;
  options.precision = precision;
  options.engine.threads = 2;
  return options;
}

class Digits : public testing::TestWithParam<const char*> {};

TEST_P(Digits, Int8KeepsTheAccuracyWithEveryCalibrator) {
  const Model model = Model::load(kDigits + GetParam());
  const double wanted = accuracy(convert(model, convert_options("fp32")));
  EXPECT_GE(wanted, 0.98);
  const Calibration calibration = calibrated(model);
  EXPECT_EQ(calibration.samples(), 128);
  for (const char* calibrator :
       {"auto", "entropy", "entropy1", "legacy", "minmax", "moving_average", "mse", "percentile"}) {
    ConvertOptions options = convert_options("int8");
    options.calibration = &calibration;
    options.calibrator = calibrator;
    options.avoid_slow_int8 = false;  // all that can be INT8 is
    EXPECT_GE(accuracy(convert(model, options)), 0.999 * wanted) << calibrator;
  }
}

TEST_P(Digits, ReferenceAndFastEnginesAgree) {
  const Model model = Model::load(kDigits + GetParam());
  const Calibration calibration = calibrated(model);
  const auto data = open_data(kDigits + "data/test.tfrecord", data_options(false));
  Batch batch;
  ASSERT_TRUE(data->next(batch));
  for (const char* precision : {"fp32", "int8"}) {
    ConvertOptions options = convert_options(precision);
    if (std::string(precision) == "int8") options.calibration = &calibration;
    options.avoid_slow_int8 = false;
    const Tensor fast = convert(model, options).run({{"", batch[0].tensor}})[0].tensor;
    options.engine.backend = "reference";
    const Tensor slow = convert(model, options).run({{"", batch[0].tensor}})[0].tensor;
    // INT8 steps agree to one integer, which the layers behind may carry on.
    const float tolerance = std::string(precision) == "fp32" ? 1e-5f : 0.05f;
    for (int64_t i = 0; i < fast.elements(); ++i) {
      ASSERT_NEAR(fast.as<float>()[i], slow.as<float>()[i], tolerance) << precision << " " << i;
    }
  }
}

TEST_P(Digits, SavedEngineGivesTheSameBytes) {
  const Model model = Model::load(kDigits + GetParam());
  const Calibration calibration = calibrated(model);
  ConvertOptions options = convert_options("int8");
  options.calibration = &calibration;
  options.avoid_slow_int8 = false;
  const Engine engine = convert(model, options);
  const auto data = open_data(kDigits + "data/test.tfrecord", data_options(false));
  Batch batch;
  ASSERT_TRUE(data->next(batch));
  // Run before it is saved: the file keeps the tactics of every plan, and with them the very bytes.
  const Tensor a = engine.run({{"", batch[0].tensor}})[0].tensor;
  const std::string path = testing::TempDir() + "digits" + std::to_string(getpid()) + ".tfe";
  engine.save(path);
  const Engine loaded = Engine::load(path);
  EXPECT_TRUE(loaded.notices().empty());
  const Tensor b = loaded.run({{"", batch[0].tensor}})[0].tensor;
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.bytes()), 0);
  // The file holds the quantized weights, their scales and biases, and little else.
  EXPECT_EQ(loaded.memory().file_bytes, std::filesystem::file_size(path));
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(Networks, Digits, testing::Values("cnn.pb", "separable.pb", "separable_saved_model"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(DigitsMemory, EngineAllocatesWhatItReports) {
  SystemAllocator allocator;
  ConvertOptions options = convert_options("fp32");
  options.engine.allocator = &allocator;
  const Engine engine = convert(Model::load(kDigits + "cnn.pb"), options);
  engine.prepare({Shape{4, 8, 8, 1}});
  const MemoryReport report = engine.memory({Shape{4, 8, 8, 1}});
  const AllocatorStats stats = allocator.stats();
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Weights)], report.weights_bytes);
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Activations)], report.activation_bytes);
  EXPECT_EQ(stats.in_use_bytes[static_cast<size_t>(Purpose::Workspace)], report.workspace_bytes);
  EXPECT_EQ(report.peak_bytes, report.weights_bytes + report.activation_bytes + report.workspace_bytes);
  // No allocation while running.
  Tensor input(DType::F32, Shape{4, 8, 8, 1});
  Tensor output(DType::F32, Shape{4, 10});
  engine.run_into({{"", input}}, {output.mutable_data()});
  const uint64_t before = allocator.stats().allocations;
  for (int i = 0; i < 5; ++i) engine.run_into({{"", input}}, {output.mutable_data()});
  EXPECT_EQ(allocator.stats().allocations, before);
}

TEST(DigitsMemory, LimitIsOutOfMemoryAndLeavesTheRestUsable) {
  SystemAllocator allocator(64 * 1024);
  ConvertOptions options = convert_options("fp32");
  options.engine.allocator = &allocator;
  const Model model = Model::load(kDigits + "cnn.pb");
  try {
    convert(model, options);
    FAIL() << "expected OutOfMemory";
  } catch (const OutOfMemory& error) {
    EXPECT_NE(std::string(error.what()).find("limit 65536 bytes"), std::string::npos) << error.what();
    EXPECT_EQ(error.limit_bytes(), 65536u);
  }
  EXPECT_EQ(allocator.bytes_in_use(), 0u);
  options.engine.allocator = nullptr;
  EXPECT_NO_THROW(convert(model, options));
}

TEST(DigitsCalibration, TableAndChannelMeansMakeTheSameEngine) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const Calibration calibration = calibrated(model);
  ConvertOptions options = convert_options("int8");
  options.calibrator = "entropy";
  options.avoid_slow_int8 = false;  // which depends on the moment
  options.calibration = &calibration;
  const std::string wanted = convert(model, options).dump();
  options.calibration = nullptr;
  options.calibration_table = calibration.table("entropy");
  EXPECT_NE(convert(model, options).dump(), wanted);
  options.channel_means = calibration.channel_means();
  EXPECT_EQ(convert(model, options).dump(), wanted);
  options.channel_means.pop_back();
  EXPECT_THROW(convert(model, options), InvalidModel);
}

TEST(DigitsCalibration, SavedMergedAndTable) {
  const Model model = Model::load(kDigits + "cnn.pb");
  const Calibration calibration = calibrated(model);
  const std::string path = testing::TempDir() + "hist" + std::to_string(getpid());
  calibration.save(path);
  Calibration loaded = Calibration::load(path);
  EXPECT_EQ(loaded.table("entropy"), calibration.table("entropy"));
  EXPECT_EQ(calibration.table("entropy").substr(0, 4), "TRT-");
  loaded.merge(calibration);
  EXPECT_EQ(loaded.samples(), 256);
  std::filesystem::remove(path);
  ConvertOptions options = convert_options("int8");
  options.calibration = &calibration;
  const Model other = Model::load(kDigits + "separable.pb");
  EXPECT_THROW(convert(other, options), InvalidArgument);
}

}  // namespace
}  // namespace tfengine
