// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/check.h"
#include "compiler/calibration_impl.h"
#include "quantize/calibration_cache.h"
#include "quantize/checkup.h"
#include "quantize/rules.h"

namespace tfengine {

namespace detail {

quantize::SolvedRanges solve(const CalibrationImpl& calibration, const std::string& calibrator, double percentile,
                             const std::set<std::string>& non_negative, bool asymmetric) {
  quantize::SolverOptions options;
  options.calibrator = calibrator;
  options.percentile = percentile;
  quantize::check_solver_options(options);
  return quantize::solve_ranges(calibration.histograms, options, non_negative, asymmetric);
}

TensorRange range_from(const std::string& name, const quantize::RangeEntry& entry) {
  return {name,      entry.max_abs, entry.non_negative, std::string(quantize::source_name(entry.source)),
          entry.low, entry.high,    entry.origin};
}

}  // namespace detail

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

void Calibration::merge(const Calibration& other) {
  impl_->histograms.merge(other.impl_->histograms);
  impl_->order.clear();
}

int64_t Calibration::samples() const { return static_cast<int64_t>(impl_->histograms.samples); }

std::vector<TensorRange> Calibration::ranges(const std::string& calibrator, double percentile) const {
  const quantize::SolvedRanges solved =
      detail::solve(*impl_, calibrator, percentile, quantize::seen_non_negative(impl_->histograms));
  std::vector<TensorRange> ranges;
  for (const auto& [name, entry] : solved.table.entries()) ranges.push_back(detail::range_from(name, entry));
  return ranges;
}

std::string Calibration::table(const std::string& calibrator, double percentile) const {
  return quantize::format_calibration_cache(
      detail::solve(*impl_, calibrator, percentile, quantize::seen_non_negative(impl_->histograms)).table, calibrator);
}

std::string Calibration::channel_means() const {
  return quantize::serialize(impl_->histograms.channel_means(), quantize::seen_non_negative(impl_->histograms));
}

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
  if (!impl_->normalisation.empty()) result.findings.push_back(impl_->normalisation);
  return result;
}

std::vector<std::string> Calibration::warnings() const {
  return detail::solve(*impl_, "minmax", 100.0, quantize::seen_non_negative(impl_->histograms)).notes;
}

}  // namespace tfengine
