// SPDX-License-Identifier: Apache-2.0
// Post-training calibration: one pass over real inputs collects mergeable histograms; any calibrator turns them into
// ranges afterwards without a forward pass.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tfengine/data.h"
#include "tfengine/export.h"
#include "tfengine/model.h"

namespace tfengine {

// done and total samples (total -1 when unknown), for progress displays.
using Progress = std::function<void(const std::string& what, int64_t done, int64_t total)>;

struct CalibrateOptions {
  int threads = 0;  // 0: all cores
  int64_t max_samples = -1;
  std::vector<std::string> nodes_denylist;
  Progress progress;
};

struct TensorRange {
  std::string tensor;
  float max_abs = 0.0f;
  bool non_negative = false;
  std::string source;  // "custom", "calibrated", "rule"
};

namespace detail {
struct CalibrationImpl;
}

// The histograms of every tensor that may become INT8.
class TFE_API Calibration {
 public:
  static Calibration load(const std::filesystem::path& path);
  void save(const std::filesystem::path& path) const;
  // Adds another worker's histograms of the same model: the result has the same bytes as one worker's over all data.
  void merge(const Calibration& other);
  int64_t samples() const;
  // calibrator: "entropy", "minmax", "percentile", "mse", "auto".
  std::vector<TensorRange> ranges(const std::string& calibrator = "auto", double percentile = 99.99) const;
  // TensorRT's calibration cache text of those ranges.
  std::string table(const std::string& calibrator = "auto", double percentile = 99.99) const;
  // Values that say the data may be wrong: NaN or Inf seen, tensors always zero. Sentences.
  std::vector<std::string> warnings() const;

  const std::shared_ptr<detail::CalibrationImpl>& impl() const { return impl_; }
  explicit Calibration(std::shared_ptr<detail::CalibrationImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<detail::CalibrationImpl> impl_;
};

TFE_API Calibration calibrate(const Model& model, BatchSource& data, const CalibrateOptions& options = {});

}  // namespace tfengine
