// SPDX-License-Identifier: Apache-2.0
#include "compiler/equalize.h"

#include <algorithm>
#include <cmath>

#include "compiler/sample_run.h"

namespace tfengine::detail {

namespace {

// Values as pixels x channels.
struct Pixels {
  const float* data;
  int64_t count, channels, stride;
};

Pixels pixels_of(const plan::TensorDesc& desc, const void* data) {
  const int64_t channels = desc.shape.back();
  return {static_cast<const float*>(data), desc.shape.elements() / channels, channels, desc.pixel_stride};
}

class Extents {
 public:
  void add(const Pixels& pixels) {
    max_abs_.resize(static_cast<size_t>(pixels.channels), 0.0f);
    squares_.resize(static_cast<size_t>(pixels.channels), 0.0);
    for (int64_t p = 0; p < pixels.count; ++p) {
      const float* row = pixels.data + p * pixels.stride;
      for (size_t c = 0; c < max_abs_.size(); ++c) {
        if (!std::isfinite(row[c])) continue;
        max_abs_[c] = std::max(max_abs_[c], std::abs(row[c]));
        squares_[c] += static_cast<double>(row[c]) * static_cast<double>(row[c]);
      }
    }
    count_ += pixels.count;
  }

  std::vector<quantize::ChannelExtent> result() const {
    std::vector<quantize::ChannelExtent> extents(max_abs_.size());
    for (size_t c = 0; c < extents.size(); ++c) {
      extents[c] = {max_abs_[c], static_cast<float>(squares_[c] / static_cast<double>(std::max<int64_t>(count_, 1)))};
    }
    return extents;
  }

 private:
  std::vector<float> max_abs_;
  std::vector<double> squares_;
  int64_t count_ = 0;
};

bool changes(const std::vector<float>& factors) {
  return std::any_of(factors.begin(), factors.end(), [](float x) { return x != 1.0f; });
}

quantize::HistogramSet count(const ir::Graph& graph, const std::vector<std::string>& names, BatchSource& data,
                             int64_t max_samples, const runtime::EngineConfig& config) {
  quantize::HistogramSet set;
  SampleRun run(graph, config);
  for_each_batch(data, max_samples, [&](const Batch& batch) {
    run.run(batch, names, [&](size_t index, const plan::TensorDesc& desc, const void* at) {
      const Pixels pixels = pixels_of(desc, at);
      quantize::Histogram& histogram = set.tensors[names[index]];
      for (int64_t p = 0; p < pixels.count; ++p) {
        histogram.add(pixels.data + p * pixels.stride, static_cast<size_t>(pixels.channels));
      }
      const int64_t samples = desc.shape[0], rows = pixels.count / std::max<int64_t>(samples, 1);
      for (int64_t n = 0; n < samples; ++n) {
        set.channel_sums[names[index]].add_sample(pixels.data + n * rows * pixels.stride, rows, pixels.channels,
                                                  pixels.stride);
      }
    });
  });
  return set;
}

}  // namespace

Equalized equalize_on(ir::Graph& graph, std::span<const quantize::Behind> behind, BatchSource& data,
                      int64_t max_samples, const runtime::EngineConfig& config) {
  Equalized result;
  std::vector<ir::ValueId> tensors;
  for (const quantize::Behind each : behind) {
    const std::vector<ir::ValueId> found = quantize::equalizable(graph, each);
    tensors.insert(tensors.end(), found.begin(), found.end());
  }
  std::vector<std::string> names;
  for (const ir::ValueId id : tensors) names.push_back(graph.value(id).name);
  if (names.empty()) return result;
  std::vector<Extents> extents(names.size());
  {
    SampleRun run(graph, config);
    for_each_batch(data, max_samples, [&](const Batch& batch) {
      run.run(batch, names, [&](size_t index, const plan::TensorDesc& desc, const void* at) {
        extents[index].add(pixels_of(desc, at));
      });
    });
  }
  std::vector<std::string> changed;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::vector<quantize::ChannelExtent> seen = extents[i].result();
    if (seen.empty()) continue;
    std::vector<float> factors = quantize::choose_factors(graph, tensors[i], seen);
    if (!changes(factors)) continue;
    for (const ir::ValueId id : quantize::with_reshapes(graph, tensors[i])) changed.push_back(graph.value(id).name);
    result.factors[names[i]] = std::move(factors);
  }
  if (changed.empty()) return result;
  quantize::equalize(graph, result.factors);
  result.counted = count(graph, changed, data, max_samples, config);
  return result;
}

}  // namespace tfengine::detail
