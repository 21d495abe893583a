// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include <mutex>
#include <optional>
#include <span>

#include "backends/list.h"
#include "base/check.h"
#include "compiler/calibration_impl.h"
#include "compiler/inputs.h"
#include "compiler/model_impl.h"
#include "compiler/observer.h"
#include "compiler/outputs.h"
#include "passes/specialize.h"
#include "quantize/bias_correction.h"
#include "quantize/calibration_cache.h"
#include "quantize/rules.h"
#include "runtime/engine_core.h"

namespace tfengine {

namespace detail {

quantize::SolvedRanges solve(const CalibrationImpl& calibration, const std::string& calibrator, double percentile,
                             const std::set<std::string>& non_negative) {
  quantize::SolverOptions options;
  options.calibrator = calibrator;
  options.percentile = percentile;
  quantize::check_solver_options(options);
  return quantize::solve_ranges(calibration.histograms, options, non_negative);
}

namespace {

// Without a graph at hand: what was never seen below zero.
std::set<std::string> seen_non_negative(const quantize::HistogramSet& set) {
  std::set<std::string> names;
  for (const auto& [name, histogram] : set.tensors) {
    if (histogram.moments().min >= 0.0f) names.insert(name);
  }
  return names;
}

std::vector<std::string> names_of(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  std::vector<std::string> names;
  for (const ir::ValueId id : values) names.push_back(graph.value(id).name);
  return names;
}

}  // namespace

}  // namespace detail

struct Calibrator::Impl {
  Impl(const Model& model, const CalibrateOptions& options)
      : optimized(detail::optimize(*model.impl(), options.nodes_denylist)),
        names(detail::names_of(optimized.graph, quantize::tensors_to_observe(optimized.graph))),
        averaged(detail::names_of(optimized.graph, quantize::tensors_to_average(optimized.graph))),
        core(std::move(optimized.graph), config(options)) {
    histograms.model_hash = model.impl()->hash;
  }

  static runtime::EngineConfig config(const CalibrateOptions& options) {
    runtime::EngineConfig config;
    config.backends = backends_by_name("");
    config.threads = detail::resolve_threads(options.threads);
    config.allocator = options.allocator == nullptr ? &default_allocator() : options.allocator;
    config.max_workspace_size_bytes = options.max_workspace_size_bytes;
    config.specialize = passes::specialize;
    // Choosing tactics by measurement costs more than it gains over a few hundred images.
    config.measure = false;
    return config;
  }

  void plan_for(const std::vector<Shape>& shapes) {
    if (entry != nullptr && entry->shapes() == shapes) return;
    // The new plan may fail: the old observer must not outlive its plan.
    observer.reset();
    entry.reset();
    entry = core.entry(shapes);
    observer = std::make_unique<detail::Observer>(entry->prepared(), names, averaged, histograms);
    if (resumed && histograms.tensors.size() != *resumed) {
      fail<InvalidArgument>(
          "calibration: the earlier run counted {} tensors, this one counts {}: nodes_denylist or the "
          "version of tfengine differ",
          *resumed, histograms.tensors.size());
    }
  }

  void resume(const quantize::HistogramSet& earlier) {
    check(entry == nullptr, "a calibration is resumed before its first batch");
    if (earlier.model_hash != histograms.model_hash) {
      fail<InvalidArgument>("calibration: the earlier run was of another model (fingerprint {}, this model has {})",
                            earlier.model_hash, histograms.model_hash);
    }
    histograms = earlier;
    resumed = histograms.tensors.size();
  }

  void run(const detail::BoundInputs& inputs, std::span<void* const> outputs) {
    const auto lease = entry->lease();
    observer->run(*lease, inputs.addresses, outputs);
    histograms.samples += static_cast<uint64_t>(samples_in(inputs));
  }

  static int64_t samples_in(const detail::BoundInputs& inputs) {
    const Shape& first = inputs.shapes[0];
    return first.rank() > 0 ? first[0] : 1;
  }

  mutable std::mutex mutex;
  detail::Optimized optimized;
  std::vector<std::string> names;     // tensors with a histogram
  std::vector<std::string> averaged;  // tensors with channel sums
  runtime::EngineCore core;
  quantize::HistogramSet histograms;
  std::shared_ptr<runtime::ShapeEntry> entry;
  std::unique_ptr<detail::Observer> observer;
  std::optional<size_t> resumed;  // tensors that an earlier run counted
};

Calibrator::Calibrator(const Model& model, const CalibrateOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

std::vector<TensorSpec> Calibrator::inputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::ValueId id : impl_->core.graph().inputs) {
    const ir::Value& value = impl_->core.graph().value(id);
    specs.push_back({value.name, value.dtype, value.shape});
  }
  return specs;
}

std::vector<Shape> Calibrator::output_shapes(const std::vector<Shape>& input_shapes) {
  const std::lock_guard lock(impl_->mutex);
  impl_->plan_for(input_shapes);
  const plan::Plan& plan = impl_->entry->plan();
  std::vector<Shape> shapes;
  for (const ir::GraphOutput& out : plan.graph.outputs) {
    shapes.push_back(plan.descs[static_cast<size_t>(out.value)].shape);
  }
  return shapes;
}

std::vector<NamedTensor> Calibrator::run(const Batch& batch) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  impl_->plan_for(inputs.shapes);
  detail::OutputBuffers outputs = detail::make_outputs(impl_->entry->plan());
  impl_->run(inputs, outputs.addresses);
  return std::move(outputs.tensors);
}

void Calibrator::run_into(const Batch& batch, const std::vector<void*>& outputs) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  const size_t wanted = impl_->core.graph().outputs.size();
  if (outputs.size() != wanted) {
    fail<InvalidArgument>("run_into: got {} outputs, expected {}", outputs.size(), wanted);
  }
  impl_->plan_for(inputs.shapes);
  impl_->run(inputs, outputs);
}

void Calibrator::resume(const Calibration& earlier) {
  const std::lock_guard lock(impl_->mutex);
  impl_->resume(earlier.impl()->histograms);
}

int64_t Calibrator::samples_in(const Batch& batch) const {
  return Impl::samples_in(detail::bind_inputs(impl_->core.graph(), batch, true));
}

int64_t Calibrator::samples() const {
  const std::lock_guard lock(impl_->mutex);
  return static_cast<int64_t>(impl_->histograms.samples);
}

Calibration Calibrator::result() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->histograms.samples == 0) fail<InvalidArgument>("calibration: the data holds no sample");
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms = impl_->histograms;
  return Calibration(std::move(impl));
}

namespace {

// Takes up what the file holds, and passes over the samples that are in it.
void resume_from(const std::filesystem::path& file, Calibrator& calibrator, BatchSource& data) {
  calibrator.resume(Calibration::load(file));
  int64_t passed = 0;
  for (Batch batch; passed < calibrator.samples() && data.next(batch);) passed += calibrator.samples_in(batch);
  if (passed != calibrator.samples()) {
    fail<InvalidArgument>(
        "calibration: '{}' holds {} samples, but the data's batches end at {}: they are not those that it "
        "was made with",
        file.string(), calibrator.samples(), passed);
  }
}

}  // namespace

Calibration calibrate(const Model& model, BatchSource& data, const CalibrateOptions& options) {
  if (options.checkpoint_samples < 1) {
    fail<InvalidArgument>("checkpoint_samples: got {}, expected at least 1", options.checkpoint_samples);
  }
  Calibrator calibrator(model, options);
  const bool keeps = !options.checkpoint.empty();
  if (keeps && std::filesystem::exists(options.checkpoint)) resume_from(options.checkpoint, calibrator, data);
  int64_t saved = calibrator.samples();
  const std::optional<int64_t> available = data.samples();
  const int64_t limit = options.max_samples < 0 ? INT64_MAX : options.max_samples;
  const int64_t total = available ? std::min(*available, limit) : (limit == INT64_MAX ? -1 : limit);
  Batch batch;
  while (calibrator.samples() < limit && data.next(batch)) {
    calibrator.run(batch);
    if (keeps && calibrator.samples() - saved >= options.checkpoint_samples) {
      calibrator.result().save(options.checkpoint);
      saved = calibrator.samples();
    }
    if (options.progress) options.progress("calibrating", calibrator.samples(), total);
  }
  Calibration result = calibrator.result();
  if (keeps) std::filesystem::remove(options.checkpoint);
  return result;
}

Calibration Calibration::load(const std::filesystem::path& path) {
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms = quantize::load_histogram_set(path.string());
  return Calibration(std::move(impl));
}

Calibration Calibration::from_bytes(std::string_view bytes, const std::string& name) {
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms = quantize::parse_histogram_set(bytes, name);
  return Calibration(std::move(impl));
}

std::string Calibration::serialize() const { return quantize::serialize(impl_->histograms); }

void Calibration::save(const std::filesystem::path& path) const {
  quantize::save_histogram_set(impl_->histograms, path.string());
}

void Calibration::merge(const Calibration& other) { impl_->histograms.merge(other.impl_->histograms); }

int64_t Calibration::samples() const { return static_cast<int64_t>(impl_->histograms.samples); }

std::vector<TensorRange> Calibration::ranges(const std::string& calibrator, double percentile) const {
  const quantize::SolvedRanges solved =
      detail::solve(*impl_, calibrator, percentile, detail::seen_non_negative(impl_->histograms));
  std::vector<TensorRange> ranges;
  for (const auto& [name, entry] : solved.table.entries()) {
    ranges.push_back({name, entry.max_abs, entry.non_negative, std::string(quantize::source_name(entry.source))});
  }
  return ranges;
}

std::string Calibration::table(const std::string& calibrator, double percentile) const {
  return quantize::format_calibration_cache(
      detail::solve(*impl_, calibrator, percentile, detail::seen_non_negative(impl_->histograms)).table, calibrator);
}

std::string Calibration::channel_means() const { return quantize::serialize(impl_->histograms.channel_means()); }

std::vector<std::string> Calibration::warnings() const {
  return detail::solve(*impl_, "minmax", 100.0, detail::seen_non_negative(impl_->histograms)).notes;
}

}  // namespace tfengine
