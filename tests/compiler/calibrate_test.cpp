// SPDX-License-Identifier: Apache-2.0
// Calibration on real data: its bytes depend on the data alone, and a run that was cut off goes on from its checkpoint.
#include "tfengine/calibrate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "list_source.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

const std::string kDigits = TFE_SOURCE_DIR "/examples/digits/";

std::unique_ptr<BatchSource> digits(int64_t batch_size, float scale = 0.0625f) {
  DataOptions options;
  options.batch_size = batch_size;
  options.feature = "image_raw";
  options.feature_shape = Shape{8, 8, 1};
  options.scale = {scale, scale, scale};
  return open_data(kDigits + "data/calibration.tfrecord", options);
}

// Data that end with an error behind some batches, as a killed run does.
class CutOff : public BatchSource {
 public:
  CutOff(std::unique_ptr<BatchSource> data, int batches) : data_(std::move(data)), left_(batches) {}
  bool next(Batch& batch) override {
    if (left_-- == 0) throw std::runtime_error("killed");
    return data_->next(batch);
  }
  void rewind() override {}

 private:
  std::unique_ptr<BatchSource> data_;
  int left_;
};

class Checkpoint : public testing::Test {
 protected:
  Checkpoint() {
    options_.threads = 1;
    options_.checkpoint = testing::TempDir() + "checkpoint" + std::to_string(getpid());
    options_.checkpoint_samples = 32;
  }
  ~Checkpoint() override { std::filesystem::remove(options_.checkpoint); }

  // Leaves a checkpoint of 32 samples behind.
  void cut_off(const Model& model) {
    CutOff data(digits(16), 3);
    EXPECT_THROW(calibrate(model, data, options_), std::runtime_error);
    ASSERT_EQ(Calibration::load(options_.checkpoint).samples(), 32);
  }
  std::string error_of(const Model& model, BatchSource& data) {
    try {
      calibrate(model, data, options_);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  const Model model_ = Model::load(kDigits + "cnn.pb");
  CalibrateOptions options_;
};

TEST(Calibrate, BytesDoNotDependOnThreadsOrBatches) {
  const Model model = Model::load(kDigits + "separable.pb");
  CalibrateOptions options;
  std::string first;
  for (const int threads : {1, 2, 3}) {
    for (const int64_t batch : {16, 1, 7}) {
      options.threads = threads;
      const std::string bytes = calibrate(model, *digits(batch), options).serialize();
      if (first.empty()) first = bytes;
      EXPECT_EQ(bytes, first) << threads << " threads, batches of " << batch;
    }
  }
}

TEST_F(Checkpoint, GoesOnWhereTheRunWasCutOff) {
  cut_off(model_);
  const Calibration resumed = calibrate(model_, *digits(16), options_);
  EXPECT_FALSE(std::filesystem::exists(options_.checkpoint)) << "the checkpoint is left behind";
  CalibrateOptions plain;
  plain.threads = 1;
  EXPECT_EQ(resumed.serialize(), calibrate(model_, *digits(16), plain).serialize());
}

TEST_F(Checkpoint, RefusesAnotherModelsAndOtherOptions) {
  cut_off(model_);
  const std::string other = error_of(Model::load(kDigits + "separable.pb"), *digits(16));
  EXPECT_NE(other.find("the earlier run was of another model (fingerprint "), std::string::npos) << other;
  options_.nodes_denylist = {"relu1"};
  for (const TensorRange& range : Calibration::load(options_.checkpoint).ranges()) {
    if (range.tensor.find("elu") != std::string::npos) options_.nodes_denylist = {range.tensor};
  }
  const std::string denied = error_of(model_, *digits(16));
  EXPECT_NE(denied.find("nodes_denylist or the version of tfengine differ"), std::string::npos) << denied;
  EXPECT_TRUE(std::filesystem::exists(options_.checkpoint)) << "an error removed the checkpoint";
}

TEST_F(Checkpoint, RefusesOtherData) {
  cut_off(model_);
  EXPECT_NE(error_of(model_, *digits(24)).find("holds 32 samples, but the data's batches end at 48"), std::string::npos)
      << error_of(model_, *digits(24));
  CutOff none(digits(16), 1);
  Batch batch;
  none.next(batch);
  EXPECT_THROW(calibrate(model_, none, options_), std::runtime_error);
}

// As many samples as before, and in batches of the same size.
TEST_F(Checkpoint, RefusesOtherSamples) {
  cut_off(model_);
  EXPECT_EQ(error_of(model_, *digits(16, 0.125f)),
            "calibration: sample 0 of the data is not among the 32 samples that the earlier run counted; expected the "
            "data that it was made with");
  EXPECT_TRUE(std::filesystem::exists(options_.checkpoint)) << "an error removed the checkpoint";
  // A sample that is there twice is not two that were counted.
  Batch first;
  digits(16)->next(first);
  ListSource twice({first, first});
  EXPECT_EQ(error_of(model_, twice),
            "calibration: sample 16 of the data is not among the 32 samples that the earlier run counted; expected the "
            "data that it was made with");
}

TEST_F(Checkpoint, RefusesADamagedFileAndAWrongInterval) {
  std::ofstream(options_.checkpoint) << "TFEHISTO and then nonsense";
  EXPECT_THROW(calibrate(model_, *digits(16), options_), InvalidModel);
  options_.checkpoint_samples = 0;
  EXPECT_EQ(error_of(model_, *digits(16)), "checkpoint_samples: got 0, expected at least 1");
}

}  // namespace
}  // namespace tfengine
