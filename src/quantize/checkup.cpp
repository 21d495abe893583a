// SPDX-License-Identifier: Apache-2.0
#include "quantize/checkup.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace tfengine::quantize {

namespace {

// Fewer samples say nothing about more.
constexpr size_t kFewestSamples = 8;
// A range that moves by less than this share moves the rounding error by less than 0.5 dB.
constexpr double kSettled = 0.05;
// Tensors that may still move when the others have settled: heavy tails never do.
constexpr double kShareThatSettles = 0.95;
// A sample that goes so many times further than the median one is no ordinary sample.
constexpr float kOutlier = 8.0f;
constexpr size_t kMostOutliers = 16;
// Pixels as files hold them reach at least this; scaled ones are far below.
constexpr float kRawPixels = 64.0f;
// What is left of [0, 1] when it is divided by 255 again.
constexpr float kScaledTwice = 1.0f / 128;
constexpr double kDead = 0.999;

using Records = std::vector<const SampleRecord*>;

Records records_of(const SampleLog& log) {
  Records records;
  for (const SampleRecord& record : log.records()) records.push_back(&record);
  return records;
}

// The smallest power of two of samples from which on the mean of the peaks stays within kSettled of that of all. Samples
// are in the order of their fingerprints, which is a random one.
size_t settled_after(const Records& records, size_t tensor) {
  std::vector<double> means;  // over the first 1, 2, 4 ... samples, and over all
  double sum = 0.0;
  for (size_t i = 0; i < records.size(); ++i) {
    sum += std::max(records[i]->peaks[tensor], 0.0f);
    const size_t count = i + 1;
    if ((count & (count - 1)) == 0 || count == records.size()) means.push_back(sum / static_cast<double>(count));
  }
  size_t first = means.size() - 1;
  while (first > 0 && std::abs(means[first - 1] - means.back()) <= kSettled * means.back()) --first;
  return std::min(size_t{1} << first, records.size());
}

void judge_number(const SampleLog& log, const Records& records, Checkup& result) {
  if (records.size() < kFewestSamples || log.tensors().empty()) {
    result.findings.push_back(
        fmt::format("{} samples are too few to tell whether more would change the ranges", records.size()));
    return;
  }
  std::vector<size_t> settled;
  for (size_t tensor = 0; tensor < log.tensors().size(); ++tensor) settled.push_back(settled_after(records, tensor));
  std::sort(settled.begin(), settled.end());
  const auto place = static_cast<size_t>(std::ceil(kShareThatSettles * static_cast<double>(settled.size()))) - 1;
  const size_t enough = settled[place];
  if (2 * enough <= records.size()) {
    result.enough_samples = enough;
    return;
  }
  const auto moving = static_cast<size_t>(
      std::count_if(settled.begin(), settled.end(), [&](size_t count) { return 2 * count > records.size(); }));
  result.findings.push_back(fmt::format(
      "the ranges of {} of {} tensors still moved in the second half of the samples: more samples would change them",
      moving, settled.size()));
}

float median(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void find_outliers(const SampleLog& log, const Records& records, Checkup& result) {
  if (records.size() < kFewestSamples) return;
  std::vector<float> worst(records.size(), kOutlier);
  std::vector<OutlierSample> found(records.size());
  std::vector<float> peaks(records.size());
  for (size_t tensor = 0; tensor < log.tensors().size(); ++tensor) {
    for (size_t i = 0; i < records.size(); ++i) peaks[i] = records[i]->peaks[tensor];
    const float typical = median(peaks);
    if (typical <= 0.0f) continue;
    for (size_t i = 0; i < records.size(); ++i) {
      if (peaks[i] / typical <= worst[i]) continue;
      worst[i] = peaks[i] / typical;
      found[i] = {records[i]->content, log.tensors()[tensor], peaks[i], typical};
    }
  }
  std::erase_if(found, [](const OutlierSample& sample) { return sample.tensor.empty(); });
  std::stable_sort(found.begin(), found.end(), [](const OutlierSample& a, const OutlierSample& b) {
    return a.peak / a.typical > b.peak / b.typical;
  });
  const size_t count = found.size();
  if (found.size() > kMostOutliers) found.resize(kMostOutliers);
  result.outliers = std::move(found);
  if (count > 0) {
    result.findings.push_back(fmt::format("{} sample{} more than {} times further than the median sample: look at {}",
                                          count, count == 1 ? " goes" : "s go", kOutlier, count == 1 ? "it" : "them"));
  }
}

void find_repeated(const Records& records, Checkup& result) {
  for (size_t i = 1; i < records.size(); ++i) {
    result.repeated_samples += records[i]->content == records[i - 1]->content;
  }
  if (result.repeated_samples > 0) {
    result.findings.push_back(fmt::format("{} of {} samples are there more than once: they add nothing",
                                          result.repeated_samples, records.size()));
  }
}

void judge_values(const SampleLog::Input& input, const InputFacts& all, Checkup& result) {
  const float size = std::max(std::abs(all.min), std::abs(all.max));
  if (all.min == all.max) {
    result.findings.push_back(
        fmt::format("input '{}' is {} in all samples: it holds nothing to calibrate with", input.name, all.min));
  } else if (!input.scaled_by_model && all.min >= 0.0f && all.max > kRawPixels && all.max <= 255.0f) {
    result.findings.push_back(fmt::format(
        "input '{}' lies in [{}, {}] as the bytes of images do, and the model does not scale it: was it trained with "
        "normalised images?",
        input.name, all.min, all.max));
  } else if (!input.scaled_by_model && size < kScaledTwice) {
    result.findings.push_back(
        fmt::format("input '{}' is nowhere larger than {:.3g}: was it scaled twice?", input.name, size));
  }
}

void judge_inputs(const SampleLog& log, const Records& records, Checkup& result) {
  if (records.empty()) return;
  std::set<uint64_t> constant;
  for (size_t i = 0; i < log.inputs().size(); ++i) {
    InputFacts all = records.front()->inputs[i];
    std::vector<uint64_t> flat;
    for (const SampleRecord* record : records) {
      const InputFacts& facts = record->inputs[i];
      all.min = std::min(all.min, facts.min);
      all.max = std::max(all.max, facts.max);
      if (facts.min == facts.max) flat.push_back(record->content);
    }
    judge_values(log.inputs()[i], all, result);
    // An input of single numbers is of one value by nature.
    if (flat.size() < records.size()) constant.insert(flat.begin(), flat.end());
  }
  result.constant_samples.assign(constant.begin(), constant.end());
  if (!constant.empty()) {
    result.findings.push_back(fmt::format("{} sample{} an input of one value throughout", constant.size(),
                                          constant.size() == 1 ? " has" : "s have"));
  }
}

// Wrongly scaled inputs leave most of a network behind its first layers silent.
void find_dead(const HistogramSet& set, Checkup& result) {
  size_t dead = 0;
  for (const auto& [name, histogram] : set.tensors) {
    const Moments& moments = histogram.moments();
    dead += moments.count > 0 && static_cast<double>(moments.zeros) >= kDead * static_cast<double>(moments.count);
  }
  if (dead == 0) return;
  result.findings.push_back(
      fmt::format("{} of {} tensors are zero in 99.9 % of their values or more: are the data prepared "
                  "as they were for training?",
                  dead, set.tensors.size()));
}

}  // namespace

Checkup check_up(const HistogramSet& set) {
  Checkup result;
  result.samples = set.samples;
  const SampleLog& log = set.samples_seen;
  const Records records = records_of(log);
  judge_number(log, records, result);
  find_outliers(log, records, result);
  judge_inputs(log, records, result);
  find_repeated(records, result);
  find_dead(set, result);
  return result;
}

}  // namespace tfengine::quantize
