// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include "backends/list.h"
#include "base/check.h"
#include "compiler/calibration_impl.h"
#include "compiler/inputs.h"
#include "compiler/model_impl.h"
#include "compiler/observer.h"
#include "compiler/outputs.h"
#include "passes/specialize.h"
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

std::vector<std::string> observed_names(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::ValueId id : quantize::tensors_to_observe(graph)) names.push_back(graph.value(id).name);
  return names;
}

}  // namespace

}  // namespace detail

Calibration calibrate(const Model& model, BatchSource& data, const CalibrateOptions& options) {
  detail::Optimized optimized = detail::optimize(*model.impl(), options.nodes_denylist);
  const std::vector<std::string> names = detail::observed_names(optimized.graph);
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms.model_hash = model.impl()->hash;

  runtime::EngineConfig config;
  config.backends = backends_by_name("");
  config.threads = detail::resolve_threads(options.threads);
  config.allocator = &default_allocator();
  config.specialize = passes::specialize;
  // Choosing tactics by measurement costs more than it gains over a few hundred images.
  config.measure = false;
  runtime::EngineCore core(std::move(optimized.graph), config);

  std::shared_ptr<runtime::ShapeEntry> entry;
  std::unique_ptr<detail::Observer> observer;
  detail::OutputBuffers outputs;
  const std::optional<int64_t> available = data.samples();
  const int64_t limit = options.max_samples < 0 ? INT64_MAX : options.max_samples;
  const int64_t total = available ? std::min(*available, limit) : (limit == INT64_MAX ? -1 : limit);
  Batch batch;
  int64_t done = 0;
  while (done < limit && data.next(batch)) {
    const detail::BoundInputs inputs = detail::bind_inputs(core.graph(), batch, true);
    if (entry == nullptr || entry->shapes() != inputs.shapes) {
      entry = core.entry(inputs.shapes);
      observer = std::make_unique<detail::Observer>(entry->prepared(), names, impl->histograms);
      outputs = detail::make_outputs(entry->plan());
    }
    const auto lease = entry->lease();
    observer->run(*lease, inputs.addresses, outputs.addresses);
    const Shape& first = inputs.shapes[0];
    done += first.rank() > 0 ? first[0] : 1;
    if (options.progress) options.progress("calibrating", done, total);
  }
  if (done == 0) fail<InvalidArgument>("calibration: the data holds no sample");
  impl->histograms.samples = static_cast<uint64_t>(done);
  return Calibration(std::move(impl));
}

Calibration Calibration::load(const std::filesystem::path& path) {
  auto impl = std::make_shared<detail::CalibrationImpl>();
  impl->histograms = quantize::load_histogram_set(path.string());
  return Calibration(std::move(impl));
}

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

std::vector<std::string> Calibration::warnings() const {
  return detail::solve(*impl_, "minmax", 100.0, detail::seen_non_negative(impl_->histograms)).notes;
}

}  // namespace tfengine
