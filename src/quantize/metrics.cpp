// SPDX-License-Identifier: Apache-2.0
#include "quantize/metrics.h"

#include <cmath>
#include <limits>

#include "base/check.h"

namespace tfengine::quantize {

double decibels(double signal, double noise) {
  if (noise == 0.0) return std::numeric_limits<double>::infinity();
  const double ratio = 10.0 * std::log10(signal / noise);
  return std::isnan(ratio) ? -std::numeric_limits<double>::infinity() : ratio;
}

double signal_to_noise_db(std::span<const float> reference, std::span<const float> test) {
  if (reference.size() != test.size()) {
    fail<InvalidArgument>("signal to noise of {} values against {}", reference.size(), test.size());
  }
  double signal = 0.0;
  double noise = 0.0;
  for (size_t i = 0; i < reference.size(); ++i) {
    const double expected = reference[i];
    const double difference = expected - test[i];
    signal += expected * expected;
    noise += difference * difference;
  }
  return decibels(signal, noise);
}

double signal_to_noise_db(const Tensor& reference, const Tensor& test) {
  for (const Tensor* tensor : {&reference, &test}) {
    if (tensor->dtype() != DType::F32) {
      fail<InvalidArgument>("signal to noise needs float32, got {}", dtype_name(tensor->dtype()));
    }
  }
  if (reference.shape() != test.shape()) {
    fail<InvalidArgument>("signal to noise of shapes {} and {}", reference.shape().str(), test.shape().str());
  }
  const auto count = static_cast<size_t>(reference.elements());
  return signal_to_noise_db(std::span(reference.as<float>(), count), std::span(test.as<float>(), count));
}

}  // namespace tfengine::quantize
