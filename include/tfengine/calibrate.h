// SPDX-License-Identifier: Apache-2.0
// Post-training calibration: one pass over real inputs collects mergeable histograms; any calibrator turns them into
// ranges afterwards without a forward pass.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/allocator.h"
#include "tfengine/data.h"
#include "tfengine/export.h"
#include "tfengine/model.h"

namespace tfengine {

// For progress displays: what is being done (a few words), and the samples done and in all (-1 when unknown).
using Progress = std::function<void(const std::string& what, int64_t done, int64_t total)>;

struct CalibrateOptions {
  int threads = 0;           // 0: all cores
  int64_t max_samples = -1;  // -1: all. Whole batches are run, so the last may go beyond it.
  // Nodes that conversion will keep out of fusion and INT8: give the same here, so that tensors have the same names.
  std::vector<std::string> nodes_denylist;
  Progress progress;  // called after each batch, on the calling thread; empty: nobody
  // Where the model runs and its tensors are counted: "" or "cpu", "cuda" or "cuda:1". Models with loops or branches run on the
  // CPU whatever is said here; those with shapes that depend on data are refused on a GPU.
  std::string device;
  // Where the weights and tensors of the float run come from, memory of that device; null: default_allocator(), or the GPU's. It must
  // outlive the calibration.
  Allocator* allocator = nullptr;
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  // For calibrate(): a file of what was counted so far, replaced every `checkpoint_samples` samples and removed at the end.
  // When it is there at the start, calibration goes on behind the samples it holds: `data` has to bring the same batches in
  // the same order as before, which is checked. Empty: none.
  std::filesystem::path checkpoint;
  int64_t checkpoint_samples = 256;
};

// What a tensor's INT8 scale covers: [-max_abs, max_abs], or [0, max_abs] where it cannot be negative.
struct TensorRange {
  std::string tensor;  // its name in the optimised graph
  float max_abs = 0.0f;
  bool non_negative = false;
  std::string source;  // "custom", "calibrated", "rule"
  // The least and the largest value seen, infinite where that is not known: what the measure `asymmetric` goes by.
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  std::string origin = {};  // the node or calibrator that gave the range
};

// A sample of the calibration data: its place among them (from 0; -1 when that is not known, as of merged or loaded
// calibrations), and the fingerprint of its content.
struct SampleId {
  int64_t index = -1;
  std::string fingerprint;
};

struct OutlierSample {
  SampleId sample;
  std::string tensor;    // in which it stands out most
  float peak = 0.0f;     // its largest magnitude there
  float typical = 0.0f;  // the samples' median of that
};

// What the statistics say about the data.
struct CalibrationCheckup {
  int64_t samples = 0;
  // So many would have given nearly the same ranges; -1 when all were not enough, or too few to tell.
  int64_t enough_samples = -1;
  std::vector<OutlierSample> outliers;     // the most extreme first
  std::vector<SampleId> constant_samples;  // with an input of one value throughout
  int64_t repeated_samples = 0;            // those that are there once more
  // Sentences: too few samples, outliers, inputs that look raw, scaled twice or constant, samples that repeat, tensors that
  // are nearly always zero; where the model was calibrated just now, inputs that its batch normalisations did not meet in training.
  std::vector<std::string> findings;
};

namespace detail {
struct CalibrationImpl;
}

// The histograms of every tensor that may become INT8.
class TFE_API Calibration {
 public:
  // InvalidModel when the file is malformed or damaged, InvalidArgument when it cannot be read.
  static Calibration load(const std::filesystem::path& path);
  // The file appears whole or not at all; InvalidArgument with the system's reason when it cannot be written.
  void save(const std::filesystem::path& path) const;
  // The bytes of such a file.
  static Calibration from_bytes(std::string_view bytes, const std::string& name = "calibration");
  std::string serialize() const;
  // Adds another worker's histograms of the same model: the result has the same bytes as one worker's over all data.
  // InvalidArgument when it is of another model.
  void merge(const Calibration& other);
  int64_t samples() const;
  // calibrator: "entropy" and "entropy1" (TensorRT's entropy 2 and 1), "minmax", "moving_average" (the mean of the samples'
  // largest magnitudes), "percentile" (the magnitude below which `percentile` percent of nonzero values lie), "legacy" (the
  // same of all values, as TensorRT's legacy calibrator), "mse", or "auto", which chooses for each tensor. Ranges that the
  // graph gives are among them, with source "custom". InvalidArgument for another name, or a percentile outside (0, 100].
  std::vector<TensorRange> ranges(const std::string& calibrator = "auto", double percentile = 99.99) const;
  // TensorRT's calibration cache text of those ranges.
  std::string table(const std::string& calibrator = "auto", double percentile = 99.99) const;
  // The means of the inputs' channels of all weighted layers, as bytes for ConvertOptions::channel_means.
  std::string channel_means() const;
  // Values that say the data may be wrong: NaN or Inf seen, tensors always zero. Sentences.
  std::vector<std::string> warnings() const;

  CalibrationCheckup checkup() const;

  const std::shared_ptr<detail::CalibrationImpl>& impl() const { return impl_; }
  explicit Calibration(std::shared_ptr<detail::CalibrationImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<detail::CalibrationImpl> impl_;
};

// Calibration by a caller who has the batches one at a time and wants the float model's answers to them: a host that
// serves while it calibrates. Thread-safe: calls take turns.
class TFE_API Calibrator {
 public:
  explicit Calibrator(const Model& model, const CalibrateOptions& options = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  std::vector<TensorSpec> inputs() const;
  // Shapes of the outputs for inputs of these shapes, in the order of inputs().
  std::vector<Shape> output_shapes(const std::vector<Shape>& input_shapes);
  // Runs one batch of any size, counts its tensors and gives the outputs. Inputs by name or, nameless, in order; others are
  // ignored. InvalidArgument as Engine::run().
  std::vector<NamedTensor> run(const Batch& batch);
  // The same into buffers of the outputs' sizes for these shapes.
  void run_into(const Batch& batch, const std::vector<void*>& outputs);
  // Goes on from what an earlier run counted, before the first batch. InvalidArgument when that was of another model, or
  // later, at the next batch, when it was with other options.
  void resume(const Calibration& earlier);
  // Samples in a batch: the first dimension of the first input. InvalidArgument as Engine::run().
  int64_t samples_in(const Batch& batch) const;
  // For a batch whose samples are among those of resume(): nothing is counted again. Returns how many they are.
  // InvalidArgument, with the sample's index, when one is not: these are other data.
  int64_t pass_over(const Batch& batch);
  // Samples counted so far: the first dimension of the first input, summed.
  int64_t samples() const;
  // What was counted so far; later batches do not change it. InvalidArgument if nothing was.
  Calibration result() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs the model in float over all of `data` (up to max_samples) and counts. A model that takes batches of any size gets
// one sample at a time: how samples are batched, or shared out among workers, is then nothing that the result depends on.
// InvalidArgument when the data does not fit
// the model's inputs, holds no sample or does not go with the checkpoint; InvalidModel when data or checkpoint are
// malformed; OutOfMemory.
TFE_API Calibration calibrate(const Model& model, BatchSource& data, const CalibrateOptions& options = {});

}  // namespace tfengine
