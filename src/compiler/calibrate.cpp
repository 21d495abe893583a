// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include <algorithm>
#include <map>
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
#include "compiler/sample_inputs.h"
#include "passes/specialize.h"
#include "quantize/bias_correction.h"
#include "quantize/calibration_cache.h"
#include "quantize/checkup.h"
#include "quantize/facts.h"
#include "quantize/range_table.h"
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

// What is known before the first sample.
quantize::HistogramSet empty_histograms(const ModelImpl& model, const ir::Graph& graph,
                                        const std::vector<std::string>& names, const SampleInputs& inputs) {
  quantize::HistogramSet set;
  set.model_hash = model.hash;
  set.samples_seen = quantize::SampleLog(names, inputs.described());
  const std::set<std::string> non_negative = quantize::non_negative_names(graph);
  const quantize::RangeTable given = quantize::custom_ranges(graph);
  for (const auto& [name, entry] : given.entries()) {
    set.given[name] = {entry.max_abs, non_negative.count(name) > 0, entry.origin};
  }
  return set;
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
      : samples(*model.impl()),
        optimized(detail::optimize(*model.impl(), options.nodes_denylist)),
        names(detail::names_of(optimized.graph, quantize::tensors_to_observe(optimized.graph))),
        averaged(detail::names_of(optimized.graph, quantize::tensors_to_average(optimized.graph))),
        histograms(detail::empty_histograms(*model.impl(), optimized.graph, names, samples)),
        core(std::move(optimized.graph), config(options)) {}

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
    if (earlier.samples_seen.tensors() != names) {
      fail<InvalidArgument>(
          "calibration: the earlier run looked at {} tensors, this one looks at {}: nodes_denylist or "
          "the version of tfengine differ",
          earlier.samples_seen.tensors().size(), names.size());
    }
    histograms = earlier;
    resumed = histograms.tensors.size();
  }

  // A batch whose samples an earlier run counted.
  void pass_over(const detail::BoundInputs& inputs) {
    const std::vector<uint64_t> contents = samples.contents(inputs, samples_in(inputs));
    order.insert(order.end(), contents.begin(), contents.end());
  }

  void run(const detail::BoundInputs& inputs, std::span<void* const> outputs) {
    const int64_t count = samples_in(inputs);
    // Looked at first: the host may hand its buffers over to the run.
    std::vector<quantize::SampleRecord> records = samples.records(inputs, count);
    {
      const auto lease = entry->lease();
      observer->run(*lease, inputs.addresses, outputs, count);
    }
    for (int64_t n = 0; n < count; ++n) {
      quantize::SampleRecord& record = records[static_cast<size_t>(n)];
      const std::span<const float> peaks = observer->peaks_of_sample(n);
      record.peaks.assign(peaks.begin(), peaks.end());
      order.push_back(record.content);
      histograms.samples_seen.add(std::move(record));
    }
    histograms.samples += static_cast<uint64_t>(count);
  }

  static int64_t samples_in(const detail::BoundInputs& inputs) {
    const Shape& first = inputs.shapes[0];
    return first.rank() > 0 ? first[0] : 1;
  }

  mutable std::mutex mutex;
  detail::SampleInputs samples;
  detail::Optimized optimized;
  std::vector<std::string> names;     // tensors with a histogram
  std::vector<std::string> averaged;  // tensors with channel sums
  quantize::HistogramSet histograms;
  runtime::EngineCore core;
  std::vector<uint64_t> order;  // fingerprints of the samples so far
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

int64_t Calibrator::pass_over(const Batch& batch) {
  const std::lock_guard lock(impl_->mutex);
  const detail::BoundInputs inputs = detail::bind_inputs(impl_->core.graph(), batch, true);
  impl_->pass_over(inputs);
  return Impl::samples_in(inputs);
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
  if (impl_->order.size() == impl_->histograms.samples) impl->order = impl_->order;
  return Calibration(std::move(impl));
}

namespace {

// Takes up what the file holds, and passes over the samples that are in it.
void resume_from(const std::filesystem::path& file, Calibrator& calibrator, BatchSource& data) {
  calibrator.resume(Calibration::load(file));
  int64_t passed = 0;
  for (Batch batch; passed < calibrator.samples() && data.next(batch);) passed += calibrator.pass_over(batch);
  if (passed != calibrator.samples()) {
    fail<InvalidArgument>(
        "calibration: '{}' holds {} samples, but the data's batches end at {}: they are not those that it "
        "was made with",
        file.string(), calibrator.samples(), passed);
  }
}

// Whether all inputs leave their first dimension open.
bool takes_any_batch(const std::vector<TensorSpec>& inputs) {
  return std::all_of(inputs.begin(), inputs.end(), [](const TensorSpec& input) {
    return input.shape.ranked() && input.shape.rank() > 0 && input.shape[0] < 0;
  });
}

// Sample `n` of a batch; it keeps the batch's memory.
Batch sample_of(const Batch& batch, int64_t n) {
  Batch sample;
  for (const NamedTensor& whole : batch) {
    Shape shape = whole.tensor.shape();
    const size_t bytes = whole.tensor.bytes() / static_cast<size_t>(shape[0]);
    shape[0] = 1;
    const auto* data = static_cast<const std::byte*>(whole.tensor.data()) + static_cast<size_t>(n) * bytes;
    const auto owner = std::make_shared<Tensor>(whole.tensor);
    sample.push_back({whole.name, Tensor(whole.tensor.dtype(), shape, data, owner)});
  }
  return sample;
}

// Kernels are chosen by shape, and do not add up in the same order: only the same batch size gives the same bytes.
void run_by_samples(Calibrator& calibrator, const Batch& batch) {
  const int64_t samples = calibrator.samples_in(batch);
  const bool alike = std::all_of(batch.begin(), batch.end(), [&](const NamedTensor& named) {
    return named.tensor.shape().rank() > 0 && named.tensor.shape()[0] == samples;
  });
  if (samples < 2 || !alike) {
    calibrator.run(batch);
    return;
  }
  for (int64_t n = 0; n < samples; ++n) calibrator.run(sample_of(batch, n));
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
  const bool by_samples = takes_any_batch(calibrator.inputs());
  Batch batch;
  while (calibrator.samples() < limit && data.next(batch)) {
    if (by_samples) {
      run_by_samples(calibrator, batch);
    } else {
      calibrator.run(batch);
    }
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

void Calibration::merge(const Calibration& other) {
  impl_->histograms.merge(other.impl_->histograms);
  impl_->order.clear();
}

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

CalibrationCheckup Calibration::checkup() const {
  const quantize::Checkup found = quantize::check_up(impl_->histograms);
  std::map<uint64_t, int64_t> index;
  for (size_t i = 0; i < impl_->order.size(); ++i) index.try_emplace(impl_->order[i], static_cast<int64_t>(i));
  const auto sample = [&](uint64_t content) {
    const auto at = index.find(content);
    return SampleId{at == index.end() ? -1 : at->second, fmt::format("{:016x}", content)};
  };
  CalibrationCheckup result;
  result.samples = static_cast<int64_t>(found.samples);
  result.enough_samples = found.enough_samples ? static_cast<int64_t>(*found.enough_samples) : -1;
  for (const quantize::OutlierSample& outlier : found.outliers) {
    result.outliers.push_back({sample(outlier.content), outlier.tensor, outlier.peak, outlier.typical});
  }
  for (const uint64_t content : found.constant_samples) result.constant_samples.push_back(sample(content));
  std::sort(result.constant_samples.begin(), result.constant_samples.end(),
            [](const SampleId& a, const SampleId& b) { return a.index < b.index; });
  result.repeated_samples = static_cast<int64_t>(found.repeated_samples);
  result.findings = found.findings;
  return result;
}

std::vector<std::string> Calibration::warnings() const {
  return detail::solve(*impl_, "minmax", 100.0, detail::seen_non_negative(impl_->histograms)).notes;
}

}  // namespace tfengine
