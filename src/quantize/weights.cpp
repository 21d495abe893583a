// SPDX-License-Identifier: Apache-2.0
#include "quantize/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "ops/op.h"
#include "quantize/weight_grid.h"

namespace tfengine::quantize {

namespace {

constexpr float kLevels = 127.0f;
// Below this, the inverse would leave the range of normal floats.
constexpr float kLeastScale = 1e-30f;
// Shares of the maximum that Mse tries; narrower ones never win with 8 bits on bell-shaped weights.
constexpr float kShares[] = {1.0f, 0.97f, 0.94f, 0.9f, 0.86f, 0.82f};

// A dense tensor as [outer][channels][inner].
struct Layout {
  int64_t outer = 1;
  int64_t channels = 1;
  int64_t inner = 1;
};

Layout layout_of(const Shape& shape, ChannelAxis channels) {
  Layout layout;
  for (size_t i = 0; i < shape.rank(); ++i) {
    const auto axis = static_cast<size_t>(channels.axis);
    (i < axis ? layout.outer : i == axis || channels.with_rest ? layout.channels : layout.inner) *= shape[i];
  }
  return layout;
}

// Calls visit(element, channel) for all elements in order.
template <typename Visit>
void for_each_weight(const Layout& layout, Visit&& visit) {
  int64_t element = 0;
  for (int64_t outer = 0; outer < layout.outer; ++outer) {
    if (layout.inner == 1) {  // channels last: a loop that vectorises
      for (int64_t channel = 0; channel < layout.channels; ++channel) {
        visit(element + channel, static_cast<size_t>(channel));
      }
      element += layout.channels;
      continue;
    }
    for (int64_t channel = 0; channel < layout.channels; ++channel) {
      for (int64_t inner = 0; inner < layout.inner; ++inner) visit(element++, static_cast<size_t>(channel));
    }
  }
}

// Adding and subtracting 1.5 * 2^23 rounds half to even for |x| < 2^22, in two instructions that vectorise.
float round_small(float x) { return (x + 12582912.0f) - 12582912.0f; }

float quantize_one(float x, float scale) { return round_small(std::clamp(x / scale, -kLevels, kLevels)); }

void check_finite(const Tensor& weights, std::string_view what) {
  const float* data = weights.as<float>();
  const int64_t count = weights.elements();
  // Counting them vectorises, leaving the loop at the first would not.
  int64_t broken = 0;
  for (int64_t i = 0; i < count; ++i) broken += !(std::abs(data[i]) <= std::numeric_limits<float>::max());
  if (broken == 0) return;
  const float* first = std::find_if(data, data + count, [](float x) { return !std::isfinite(x); });
  fail<InvalidModel>("{}: weight {} is {}, expected a finite number", what, first - data, *first);
}

std::vector<float> channel_maxima(const Tensor& weights, const Layout& layout) {
  std::vector<float> maxima(static_cast<size_t>(layout.channels), 0.0f);
  const float* data = weights.as<float>();
  for_each_weight(layout, [&](int64_t i, size_t channel) {
    const float magnitude = std::abs(data[i]);
    maxima[channel] = maxima[channel] > magnitude ? maxima[channel] : magnitude;
  });
  return maxima;
}

// An all-zero channel takes any scale; 1 keeps the products with the input's scale ordinary.
float scale_for(float max_abs) { return max_abs == 0.0f ? 1.0f : std::max(max_abs / kLevels, kLeastScale); }

// Channels whose weights lie on a grid already keep it.
void keep_given_grids(const Tensor& weights, const Layout& layout, const std::vector<float>& maxima,
                      std::vector<float>& scales) {
  for (int64_t channel = 0; channel < layout.channels; ++channel) {
    const ChannelWeights of_channel{weights.as<float>() + channel * layout.inner, layout.outer, layout.inner,
                                    layout.channels * layout.inner};
    const auto at = static_cast<size_t>(channel);
    if (const std::optional<float> step = grid_step(of_channel, maxima[at])) scales[at] = std::max(*step, kLeastScale);
  }
}

std::vector<double> channel_errors(const Tensor& weights, const Layout& layout, const std::vector<float>& scales) {
  std::vector<double> errors(scales.size(), 0.0);
  const float* data = weights.as<float>();
  for_each_weight(layout, [&](int64_t i, size_t channel) {
    const double error = data[i] - quantize_one(data[i], scales[channel]) * scales[channel];
    errors[channel] += error * error;
  });
  return errors;
}

std::vector<float> best_scales(const Tensor& weights, const Layout& layout, const std::vector<float>& maxima) {
  std::vector<float> best(maxima.size());
  std::vector<double> least(maxima.size(), std::numeric_limits<double>::infinity());
  for (const float share : kShares) {
    std::vector<float> scales(maxima.size());
    std::transform(maxima.begin(), maxima.end(), scales.begin(), [&](float max) { return scale_for(max * share); });
    const std::vector<double> errors = channel_errors(weights, layout, scales);
    for (size_t channel = 0; channel < best.size(); ++channel) {
      if (errors[channel] >= least[channel]) continue;
      least[channel] = errors[channel];
      best[channel] = scales[channel];
    }
  }
  return best;
}

}  // namespace

QuantizedWeights quantize_weights(const Tensor& weights, ChannelAxis axis, WeightRange range, std::string_view what) {
  if (weights.dtype() != DType::F32 || axis.axis < 0 || static_cast<size_t>(axis.axis) >= weights.shape().rank()) {
    fail<InvalidModel>("{}: weights are {} {}, expected float32 with an axis {}", what, dtype_name(weights.dtype()),
                       weights.shape().str(), axis.axis);
  }
  const Layout layout = layout_of(weights.shape(), axis);
  check_finite(weights, what);
  std::vector<float> maxima = channel_maxima(weights, layout);
  if (range == WeightRange::PerTensor && !maxima.empty()) {
    std::fill(maxima.begin(), maxima.end(), *std::max_element(maxima.begin(), maxima.end()));
  }
  QuantizedWeights result;
  result.quant.axis = axis.axis;
  if (range == WeightRange::Mse) {
    result.quant.scales = best_scales(weights, layout, maxima);
  } else {
    result.quant.scales.resize(maxima.size());
    std::transform(maxima.begin(), maxima.end(), result.quant.scales.begin(), scale_for);
  }
  if (range != WeightRange::PerTensor) keep_given_grids(weights, layout, maxima, result.quant.scales);
  result.tensor = Tensor(DType::S8, weights.shape());
  const float* data = weights.as<float>();
  auto* integers = result.tensor.mutable_as<int8_t>();
  const float* scales = result.quant.scales.data();
  for_each_weight(layout, [=](int64_t i, size_t channel) {
    integers[i] = static_cast<int8_t>(quantize_one(data[i], scales[channel]));
  });
  return result;
}

ChannelAxis channel_axis(const ir::Node& node) {
  const ops::Op& op = ops::require_op(node);
  return {ops::weight_axis(op, node), op.name == "DepthwiseConv2dNative"};
}

const QuantizedWeights& WeightsCache::get(const Tensor& weights, ChannelAxis axis, WeightRange range,
                                          std::string_view what) {
  const std::tuple key{weights.data(), axis, range};
  const auto found = entries_.find(key);
  if (found != entries_.end() && found->second.source.shape() == weights.shape()) return found->second.quantized;
  return entries_.insert_or_assign(key, Entry{weights, quantize_weights(weights, axis, range, what)})
      .first->second.quantized;
}

}  // namespace tfengine::quantize
