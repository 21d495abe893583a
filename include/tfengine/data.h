// SPDX-License-Identifier: Apache-2.0
// Batches of named arrays: what calibration and evaluation read. Files are opened with open_data(); programs may give
// their own source.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tfengine/export.h"
#include "tfengine/tensor.h"

namespace tfengine {

// A tensor, and the input or output that it is for.
struct NamedTensor {
  std::string name;  // may be empty where the model has one input
  Tensor tensor;
};
using Batch = std::vector<NamedTensor>;

class TFE_API BatchSource {
 public:
  virtual ~BatchSource() = default;
  // The next batch, or false at the end. Labels, where the data has them, come under the name of the label feature.
  virtual bool next(Batch& batch) = 0;
  // Begins anew: next() gives the first batch again.
  virtual void rewind() = 0;
  // Samples in all, when known.
  virtual std::optional<int64_t> samples() const { return std::nullopt; }
};

// How files become batches.
struct DataOptions {
  int64_t batch_size = 1;  // samples; the last batch may have fewer
  int64_t limit = -1;      // samples; -1: all
  // TFRecord of tf.Example:
  std::string feature = "image";  // name of the feature that holds the sample
  std::string label_feature;      // empty: no labels
  std::string decode = "raw";     // "raw" (bytes of feature_dtype), "jpeg", "png", "floats", "ints"
  DType feature_dtype = DType::U8;
  Shape feature_shape;  // of one sample, for "raw", "floats" and "ints"
  // Images: resize the shorter side to resize, then cut the centre crop_h x crop_w; 0 leaves them. channel_order "rgb", "bgr".
  int64_t resize = 0;
  int64_t crop_h = 0, crop_w = 0;
  std::string channel_order = "rgb";
  // value = (pixel - mean[c]) * scale[c], as float32, for images and raw integers; identity keeps the dtype only if
  // keep_dtype is set.
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> scale = {1, 1, 1};
  bool keep_dtype = false;
};

// .npy, .npz, a folder of them, TFRecords, or a folder of JPEG/PNG images. The first dimension of arrays counts samples.
// InvalidArgument for a missing file or a wrong option; InvalidModel naming file and reason when it is malformed, here or
// from next().
TFE_API std::unique_ptr<BatchSource> open_data(const std::filesystem::path& path, const DataOptions& options = {});

// One tensor as .npy; the file appears whole or not at all.
TFE_API void write_npy(const std::filesystem::path& path, const Tensor& tensor);
// A view of the mapped file where its layout allows. InvalidArgument or InvalidModel as open_data().
TFE_API Tensor read_npy(const std::filesystem::path& path);

}  // namespace tfengine
