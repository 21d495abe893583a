// SPDX-License-Identifier: Apache-2.0
// TFRecords and pictures as TensorFlow writes and decodes them (make_data.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "tfengine/data.h"
#include "tfengine/error.h"

namespace tfengine {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(TFE_SOURCE_DIR) / "tests/io/data";

template <typename T>
std::vector<T> values(const Tensor& tensor) {
  return {tensor.as<T>(), tensor.as<T>() + tensor.elements()};
}

Batch first_batch(const fs::path& path, const DataOptions& options) {
  Batch batch;
  EXPECT_TRUE(open_data(path, options)->next(batch));
  return batch;
}

DataOptions record(const std::string& feature, const std::string& decode) {
  DataOptions options;
  options.feature = feature;
  options.decode = decode;
  options.batch_size = 2;
  return options;
}

TEST(Records, RawBytes) {
  DataOptions options = record("raw", "raw");
  options.feature_shape = {2, 2, 1};
  options.scale = {0.5f, 1, 1};
  options.label_feature = "label";
  const auto source = open_data(kData / "records.tfrecord", options);
  EXPECT_EQ(source->samples(), 3);
  Batch batch;
  ASSERT_TRUE(source->next(batch));
  ASSERT_TRUE(source->next(batch));
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[0].name, "");
  EXPECT_EQ(batch[0].tensor.shape(), (Shape{1, 2, 2, 1}));
  EXPECT_EQ(values<float>(batch[0].tensor), (std::vector<float>{1, 1.5f, 2, 127.5f}));
  EXPECT_EQ(batch[1].name, "label");
  EXPECT_EQ(batch[1].tensor.shape(), Shape{1});
  EXPECT_EQ(values<int64_t>(batch[1].tensor), std::vector<int64_t>{14});
  EXPECT_FALSE(source->next(batch));
  source->rewind();
  EXPECT_TRUE(source->next(batch));
}

TEST(Records, KeptTypes) {
  DataOptions options = record("raw", "raw");
  options.keep_dtype = true;
  const Batch batch = first_batch(kData / "records.tfrecord", options);
  EXPECT_EQ(batch[0].tensor.dtype(), DType::U8);
  EXPECT_EQ(values<uint8_t>(batch[0].tensor), (std::vector<uint8_t>{0, 1, 2, 255, 1, 2, 3, 255}));
}

TEST(Records, Lists) {
  const Batch floats = first_batch(kData / "records.tfrecord", record("floats", "floats"));
  EXPECT_EQ(floats[0].tensor.shape(), (Shape{2, 2}));
  EXPECT_EQ(values<float>(floats[0].tensor), (std::vector<float>{0, 1.5f, 0.5f, 1.5f}));
  DataOptions options = record("ints", "ints");
  options.keep_dtype = true;
  const Batch ints = first_batch(kData / "records.tfrecord", options);
  EXPECT_EQ(values<int64_t>(ints[0].tensor), (std::vector<int64_t>{0, 0, int64_t{1} << 40, -1, 1, int64_t{1} << 40}));
}

TEST(Records, Pictures) {
  const Batch batch = first_batch(kData / "records.tfrecord", record("png", "png"));
  EXPECT_EQ(batch[0].tensor.shape(), (Shape{2, 3, 4, 3}));
  EXPECT_EQ(batch[0].tensor.as<float>()[36], 10.0f);
}

TEST(Pictures, JpegIsDecodedAsTensorFlowDoes) {
  DataOptions options;
  options.keep_dtype = true;
  const Tensor picture = first_batch(kData / "picture.jpg", options)[0].tensor;
  const Tensor expected = read_npy(kData / "picture.jpg.npy");
  ASSERT_EQ(picture.shape(), (Shape{1, 12, 18, 3}));
  for (int64_t i = 0; i < expected.elements(); ++i) {
    // libjpeg-turbo's versions differ by one step in chroma upsampling.
    ASSERT_LE(std::abs(picture.as<uint8_t>()[i] - expected.as<uint8_t>()[i]), 1) << i;
  }
}

TEST(Pictures, ResizedAndCroppedAsTensorFlowDoes) {
  DataOptions options;
  options.resize = options.crop_h = options.crop_w = 8;
  const Tensor picture = first_batch(kData / "picture.png", options)[0].tensor;
  const Tensor expected = read_npy(kData / "picture.resized.npy");
  ASSERT_EQ(picture.shape(), (Shape{1, 8, 8, 3}));
  for (int64_t i = 0; i < expected.elements(); ++i)
    ASSERT_NEAR(picture.as<float>()[i], expected.as<float>()[i], 1e-3) << i;
}

TEST(Pictures, ChannelsMeanAndScale) {
  DataOptions options;
  options.crop_h = options.crop_w = 1;
  const Tensor rgb = first_batch(kData / "picture.png", options)[0].tensor;
  EXPECT_EQ(values<float>(rgb), (std::vector<float>{80, 75, 215}));  // row 5, column 8
  options.channel_order = "bgr";
  options.mean = {15, 5, 0};
  options.scale = {1, 1, 2};
  EXPECT_EQ(values<float>(first_batch(kData / "picture.png", options)[0].tensor), (std::vector<float>{200, 70, 160}));
  options = {};
  options.feature_shape = {12, 18, 1};
  EXPECT_EQ(first_batch(kData / "picture.png", options)[0].tensor.shape(), (Shape{1, 12, 18, 1}));
}

TEST(Pictures, FoldersOfClasses) {
  std::string name = (fs::temp_directory_path() / "tfengine-classes-XXXXXX").string();
  const fs::path folder = ::mkdtemp(name.data());
  for (const char* label : {"dog", "cat"}) {
    fs::create_directory(folder / label);
    for (const char* file : {"2.png", "1.png"}) fs::copy_file(kData / "picture.png", folder / label / file);
  }
  DataOptions options;
  options.batch_size = 3;
  options.label_feature = "label";
  const auto source = open_data(folder, options);
  EXPECT_EQ(source->samples(), 4);
  Batch batch;
  ASSERT_TRUE(source->next(batch));
  EXPECT_EQ(batch[0].tensor.shape(), (Shape{3, 12, 18, 3}));
  EXPECT_EQ(values<int64_t>(batch[1].tensor), (std::vector<int64_t>{0, 0, 1}));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tfengine
