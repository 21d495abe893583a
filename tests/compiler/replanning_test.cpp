// SPDX-License-Identifier: Apache-2.0
// Engines that plan again and again: shapes come and go, memory and answers stay; a host that gives the model again lets
// its constants be freed.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

Model digits() { return Model::load(std::string(TFE_SOURCE_DIR) + "/examples/digits/cnn.pb"); }

NamedTensor image(int64_t batch) {
  Tensor tensor(DType::F32, {batch, 8, 8, 1});
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.mutable_as<float>()[i] = static_cast<float>(i % 17) / 16.0f;
  return {"", tensor};
}

std::vector<float> values(const std::vector<NamedTensor>& outputs) {
  const Tensor& tensor = outputs.at(0).tensor;
  return {tensor.as<float>(), tensor.as<float>() + tensor.elements()};
}

TEST(Replanning, DoesNotGrowTheProcess) {
  ConvertOptions options;
  options.engine.maximum_cached_engines = 1;
  const Engine engine = convert(digits(), options);
  const auto plan_all = [&] {
    for (int64_t round = 0; round < 6; ++round) {
      for (int64_t batch = 1; batch <= 6; ++batch) engine.prepare({Shape{batch, 8, 8, 1}});
    }
  };
  plan_all();  // fills oneDNN's cache of primitives
  const size_t before = mallinfo2().uordblks;
  plan_all();
  const size_t after = mallinfo2().uordblks;
  EXPECT_LT(after, before + (size_t{64} << 10)) << "36 plans";
  EXPECT_GT(engine.evictions(), 60);
}

TEST(Replanning, AModelThatIsGivenAgainIsNotKept) {
  SystemAllocator memory;
  int given = 0;
  ConvertOptions options;
  options.engine.allocator = &memory;
  options.model_again = [&] {
    ++given;
    return digits();
  };
  const Engine engine = convert(digits(), options);
  const Engine whole = convert(digits());
  EXPECT_EQ(given, 0);
  for (const int64_t batch : {1, 4, 3}) {
    const std::vector<float> got = values(engine.run({image(batch)})), want = values(whole.run({image(batch)}));
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5);
  }
  EXPECT_EQ(given, 2);
  std::string bytes;
  engine.write([&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  EXPECT_EQ(given, 3);
  EXPECT_TRUE(Engine::is_engine(bytes));
  EXPECT_FALSE(Engine::is_engine("TFENGI"));
  std::shared_ptr<void> aligned(std::aligned_alloc(64, (bytes.size() + 63) / 64 * 64), std::free);
  std::memcpy(aligned.get(), bytes.data(), bytes.size());
  const Engine read = Engine::from_bytes({static_cast<const char*>(aligned.get()), bytes.size()}, aligned);
  EXPECT_EQ(values(read.run({image(4)})), values(engine.run({image(4)})));
  EXPECT_TRUE(read.planned({Shape{3, 8, 8, 1}}));
  EXPECT_FALSE(read.planned({Shape{9, 8, 8, 1}}));
}

TEST(Replanning, AnotherModelIsRefused) {
  ConvertOptions options;
  options.model_again = [] { return Model::load(std::string(TFE_SOURCE_DIR) + "/examples/digits/separable.pb"); };
  const Engine engine = convert(digits(), options);
  EXPECT_THROW(engine.prepare({Shape{7, 8, 8, 1}}), InternalError);
  EXPECT_EQ(engine.plans().size(), 1u);
}

TEST(Replanning, PlannedShapesRunWhileOthersArePlanned) {
  std::atomic<bool> hold = false;
  ConvertOptions options;
  options.model_again = [&] {
    while (hold) std::this_thread::yield();
    return digits();
  };
  const Engine engine = convert(digits(), options);
  hold = true;
  std::thread planner([&] { engine.prepare({Shape{5, 8, 8, 1}}); });
  for (int i = 0; i < 10; ++i) engine.run({image(1)});
  hold = false;
  planner.join();
  EXPECT_EQ(engine.plans().size(), 2u);
}

TEST(Calibrator, GivesTheFloatAnswersAndTheSameRanges) {
  Calibrator calibrator(digits());
  const Engine engine = convert(digits());
  EXPECT_THROW(calibrator.result(), InvalidArgument);
  for (const int64_t batch : {1, 6, 2}) {
    const std::vector<float> got = values(calibrator.run({image(batch)})), want = values(engine.run({image(batch)}));
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5);
  }
  EXPECT_EQ(calibrator.samples(), 9);
  const Calibration calibration = calibrator.result();
  calibrator.run({image(1)});
  EXPECT_EQ(calibration.samples(), 9);
  const Calibration read = Calibration::from_bytes(calibration.serialize());
  EXPECT_EQ(read.table("entropy"), calibration.table("entropy"));
  std::vector<float> scores(20);
  EXPECT_EQ(calibrator.output_shapes({Shape{2, 8, 8, 1}}), (std::vector<Shape>{Shape{2, 10}}));
  calibrator.run_into({image(2)}, {scores.data()});
  const std::vector<float> want = values(engine.run({image(2)}));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(scores[i], want[i], 1e-5);
  EXPECT_THROW(calibrator.run_into({image(2)}, {}), InvalidArgument);
}

TEST(CalibrationTable, IsEnoughForInt8) {
  Calibrator calibrator(digits());
  calibrator.run({image(16)});
  const Calibration calibration = calibrator.result();
  ConvertOptions by_histograms, by_table;
  by_histograms.precision = by_table.precision = "int8";
  by_histograms.calibration = &calibration;
  by_histograms.calibrator = "minmax";
  by_histograms.bias_correction = by_table.bias_correction = false;
  by_table.calibration_table = calibration.table("minmax");
  by_table.channel_means = calibration.channel_means();  // says that the input was never negative
  by_histograms.avoid_slow_int8 = by_table.avoid_slow_int8 = false;
  const std::vector<float> got = values(convert(digits(), by_table).run({image(4)}));
  const std::vector<float> want = values(convert(digits(), by_histograms).run({image(4)}));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-3);
  ConvertOptions none;
  none.precision = "int8";
  EXPECT_THROW(convert(digits(), none), InvalidArgument);
  none.float_without_ranges = true;
  EXPECT_NE(convert(digits(), none).report_json().find("the engine is float"), std::string::npos);
}

}  // namespace
}  // namespace tfengine
