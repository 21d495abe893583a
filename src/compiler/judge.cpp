// SPDX-License-Identifier: Apache-2.0
#include "compiler/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "quantize/metrics.h"

namespace tfengine::detail {

namespace {

const Tensor& label_of(const Batch& batch, const std::string& name) {
  for (const NamedTensor& tensor : batch) {
    if (tensor.name == name) return tensor.tensor;
  }
  fail<InvalidArgument>("target accuracy: the data has no tensor '{}' with labels", name);
}

int64_t integer_at(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::S64:
      return tensor.as<int64_t>()[i];
    case DType::S32:
      return tensor.as<int32_t>()[i];
    case DType::U8:
      return tensor.as<uint8_t>()[i];
    case DType::S8:
      return tensor.as<int8_t>()[i];
    case DType::F32:
      return static_cast<int64_t>(tensor.as<float>()[i]);
    default:
      fail<InvalidArgument>("target accuracy: labels of dtype {}, expected integers", dtype_name(tensor.dtype()));
  }
}

// Rows of scores for every place of a sample: [samples, .., classes].
bool has_classes_anywhere(const Tensor& output) {
  return output.dtype() == DType::F32 && output.shape().rank() >= 2 && output.shape().back() > 1;
}

// One row for each sample: [samples, classes].
bool has_classes(const Tensor& output) { return has_classes_anywhere(output) && output.shape().rank() == 2; }

int64_t best_class(const Tensor& output, int64_t sample) {
  const int64_t classes = output.shape()[1];
  const float* row = output.as<float>() + sample * classes;
  return std::max_element(row, row + classes) - row;
}

// The share of samples, or of their places, of which fewer than `places` classes have a larger score than the right one.
double top(const Tensor& output, const Tensor& labels, int places) {
  const int64_t classes = output.shape().back(), samples = output.elements() / classes;
  if (labels.elements() != samples) {
    fail<InvalidArgument>("target accuracy: {} labels for {} rows of {} scores", labels.elements(), samples, classes);
  }
  int64_t right = 0;
  for (int64_t n = 0; n < samples; ++n) {
    const int64_t label = integer_at(labels, n);
    if (label < 0 || label >= classes) {
      fail<InvalidArgument>("target accuracy: label {} is out of range for {} classes", label, classes);
    }
    const float* row = output.as<float>() + n * classes;
    right += std::count_if(row, row + classes, [&](float x) { return !(x <= row[label]); }) < places;
  }
  return static_cast<double>(right) / static_cast<double>(std::max<int64_t>(samples, 1));
}

// Rows of probabilities: not negative, and 1 together.
bool has_probabilities(const Tensor& output) {
  if (!has_classes(output)) return false;
  const int64_t classes = output.shape()[1];
  for (int64_t n = 0; n < output.shape()[0]; ++n) {
    const float* row = output.as<float>() + n * classes;
    double sum = 0.0;
    for (int64_t c = 0; c < classes; ++c) {
      if (!(row[c] >= 0.0f)) return false;
      sum += static_cast<double>(row[c]);
    }
    if (std::abs(sum - 1.0) > 1e-3) return false;
  }
  return true;
}

// What went into the softmax, up to a constant for each row: of probabilities the largest alone would count.
Tensor logits_of(const Tensor& probabilities) {
  const int64_t classes = probabilities.shape()[1];
  Tensor logits(DType::F32, probabilities.shape());
  for (int64_t n = 0; n < probabilities.shape()[0]; ++n) {
    const float* from = probabilities.as<float>() + n * classes;
    float* to = logits.mutable_as<float>() + n * classes;
    double mean = 0.0;
    for (int64_t c = 0; c < classes; ++c) {
      to[c] = std::log(std::max(from[c], 1e-37f));
      mean += static_cast<double>(to[c]) / static_cast<double>(classes);
    }
    for (int64_t c = 0; c < classes; ++c) to[c] -= static_cast<float>(mean);
  }
  return logits;
}

struct Power {
  double signal = 0.0, noise = 0.0;
  double db() const { return quantize::decibels(signal, noise); }
  void add(const Power& other) {
    signal += other.signal;
    noise += other.noise;
  }
};

Power power_of(const float* wanted, const float* got, int64_t count) {
  Power power;
  for (int64_t i = 0; i < count; ++i) {
    const double w = static_cast<double>(wanted[i]), e = static_cast<double>(got[i]) - w;
    power.signal += w * w;
    power.noise += std::isfinite(e) ? e * e : std::numeric_limits<double>::infinity();
  }
  return power;
}

// One output over all samples.
struct OutputPower {
  Power all;
  double decibels = 0.0;  // summed over `parts`
  int64_t parts = 0;

  // `samples` is 1 where the output has no row for each.
  void add(const Tensor& wanted, const Tensor& got, int64_t samples) {
    if (wanted.shape() != got.shape()) return miss(wanted);
    const int64_t size = wanted.elements() / std::max<int64_t>(samples, 1);
    for (int64_t n = 0; n < samples; ++n) {
      const Power power = power_of(wanted.as<float>() + n * size, got.as<float>() + n * size, size);
      all.add(power);
      // Beyond this it is float's own rounding.
      decibels += std::clamp(power.db(), -100.0, 100.0);
    }
    parts += samples;
  }

 private:
  // How many elements there are depends on data, and is another number in each: there is nothing to compare one by one.
  void miss(const Tensor& wanted) {
    Power power;
    for (int64_t i = 0; i < wanted.elements(); ++i) {
      const double w = static_cast<double>(wanted.as<float>()[i]);
      power.signal += w * w;
    }
    power.noise = power.signal;
    all.add(power);
    ++parts;
  }
};

}  // namespace

Judge::Judge(const ir::Graph& float_graph, const AccuracyTarget& target, BatchSource& data,
             const runtime::EngineConfig& config)
    : target_(target), data_(data), config_(config), labelled_(!target.label.empty()) {
  if (!(target.share > 0.0 && target.share <= 1.0)) {
    fail<InvalidArgument>("target accuracy: {} of the float model's, expected a share above 0 and up to 1",
                          target.share);
  }
  if (target.metric != "top1" && target.metric != "top5") {
    fail<InvalidArgument>("target accuracy: metric '{}' is unknown, expected top1 or top5", target.metric);
  }
  SampleRun run(float_graph, config);
  double sum = 0.0;
  for_each_batch(data, target.max_samples, [&](const Batch& batch) {
    reference_.push_back(run.run(batch));
    const std::vector<NamedTensor>& outputs = reference_.back();
    const int64_t samples = SampleRun::samples_in(batch);
    const bool classes = !outputs.empty() && has_classes(outputs[0].tensor) && outputs[0].tensor.shape()[0] == samples;
    classes_ = classes && (classes_ || reference_.size() == 1);
    sum += static_cast<double>(samples) * score_batch(outputs, outputs, batch);
    float_score_.samples += samples;
  });
  float_score_.value = sum / static_cast<double>(float_score_.samples);
  if (target.share < 1.0 && !(float_score_.value > 0.0)) {
    fail<InvalidArgument>("target accuracy: the float model scores {}; a share of that below 1 needs a score above 0",
                          float_score_.value);
  }
  float_score_.agreement = 1.0;
  float_score_.db = std::numeric_limits<double>::infinity();
}

double Judge::score_batch(const std::vector<NamedTensor>& outputs, const std::vector<NamedTensor>& reference,
                          const Batch& batch) const {
  if (target_.score) {
    const double score = target_.score(outputs, batch);
    if (!std::isfinite(score)) {
      fail<InvalidArgument>("target accuracy: the metric gave {} for a batch, expected a finite number", score);
    }
    return score;
  }
  if (labelled_) {
    if (outputs.empty() || !has_classes_anywhere(outputs[0].tensor)) {
      fail<InvalidArgument>("target accuracy: the first output is {}, expected [samples, .., classes] for labels",
                            outputs.empty() ? "missing" : outputs[0].tensor.shape().str());
    }
    return top(outputs[0].tensor, label_of(batch, target_.label), target_.metric == "top1" ? 1 : 5);
  }
  if (!classes_) return 1.0;
  if (outputs[0].tensor.shape() != reference[0].tensor.shape()) return 0.0;  // where shapes depend on data
  const int64_t samples = outputs[0].tensor.shape()[0];
  int64_t same = 0;
  for (int64_t n = 0; n < samples; ++n) {
    same += best_class(outputs[0].tensor, n) == best_class(reference[0].tensor, n);
  }
  return static_cast<double>(same) / static_cast<double>(samples);
}

Score Judge::score(const ir::Graph& graph, int64_t most) const {
  Score score;
  SampleRun run(graph, config_);
  std::vector<OutputPower> powers;
  double sum = 0.0;
  int64_t same = 0;
  size_t index = 0;
  for_each_batch(data_, std::min(target_.max_samples, most), [&](const Batch& batch) {
    const std::vector<NamedTensor> outputs = run.run(batch);
    const std::vector<NamedTensor>& wanted = reference_.at(index++);
    const int64_t samples = SampleRun::samples_in(batch);
    powers.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& tensor = outputs[i].tensor;
      const bool rows = tensor.shape().rank() > 0 && tensor.shape()[0] == samples;
      if (tensor.dtype() != DType::F32) continue;
      const bool shares = tensor.shape() == wanted[i].tensor.shape() && has_probabilities(wanted[i].tensor);
      powers[i].add(shares ? logits_of(wanted[i].tensor) : wanted[i].tensor, shares ? logits_of(tensor) : tensor,
                    rows ? samples : 1);
    }
    sum += static_cast<double>(samples) * score_batch(outputs, wanted, batch);
    const bool comparable = classes_ && outputs[0].tensor.shape() == wanted[0].tensor.shape();
    for (int64_t n = 0; comparable && n < samples; ++n) {
      same += best_class(outputs[0].tensor, n) == best_class(wanted[0].tensor, n);
    }
    score.samples += samples;
  });
  score.value = sum / static_cast<double>(score.samples);
  score.agreement = static_cast<double>(same) / static_cast<double>(score.samples);
  score.db = score.typical_db = std::numeric_limits<double>::infinity();
  for (const OutputPower& power : powers) {
    if (power.parts == 0) continue;
    score.db = std::min(score.db, power.all.db());
    score.typical_db = std::min(score.typical_db, power.decibels / static_cast<double>(power.parts));
  }
  return score;
}

bool Judge::holds(const Score& score) const {
  if (by_noise()) return score.db >= -10.0 * std::log10(1.0 - target_.share);
  // A score of a finite number of samples moves in steps: rounding must not decide.
  return score.value >= target_.share * float_score_.value - 1e-9;
}

std::string Judge::terms() const {
  const std::string samples = fmt::format("{} samples", float_score_.samples);
  if (by_noise()) {
    return fmt::format("signal-to-noise of the outputs on {}, at least {:.1f} dB", samples,
                       -10.0 * std::log10(1.0 - target_.share));
  }
  // One sample more or less must be less than what may be lost.
  const bool coarse = (1.0 - target_.share) * static_cast<double>(float_score_.samples) < 1.0 && target_.share < 1.0;
  const std::string what = target_.score ? "the given score"
                           : labelled_   ? (target_.metric == "top1" ? "top-1" : "top-5")
                                         : "agreement with the float model";
  return fmt::format("{} on {}: float {:.4f}, at least {:.4f}{}", what, samples, float_score_.value,
                     target_.share * float_score_.value,
                     coarse && !target_.score ? ", so none may be lost; more samples tell shares apart" : "");
}

std::string Judge::text(const Score& score) const {
  if (by_noise()) return fmt::format("{:.1f} dB", score.db);
  return fmt::format("{:.4f} ({:.1f} dB)", score.value, score.db);
}

}  // namespace tfengine::detail
