// SPDX-License-Identifier: Apache-2.0
// ResizeBicubic and ResizeArea: every result is a weighted sum of rows and columns of the image, whose weights are found
// per axis. Results are float32 whatever the image's type.
#include "ops/resize_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

std::vector<TypeInfo> infer_smooth(const InferContext& context) {
  require_inputs(context, 2);
  return {{DType::F32, resized_shape(context)}};
}

using Term = ResizeTerm;
using Terms = std::vector<Term>;  // of one result along one axis

float axis_scale(const ir::Node& node, int64_t in, int64_t out) {
  return node.attr_or<bool>("align_corners", false) && out > 1
             ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
             : static_cast<float>(in) / static_cast<float>(out);
}

// Keys' cubic kernel (IEEE TASSP 29, 1981) at distance x below 1, and from 1 to 2.
float near_weight(double a, float x) { return static_cast<float>(((a + 2) * x - (a + 3)) * x * x + 1); }
float far_weight(double a, float x) { return static_cast<float>(((a * x - 5 * a) * x + 8 * a) * x - 4 * a); }

Terms cubic_terms(const ir::Node& node, int64_t in, int64_t out, int64_t i) {
  // TensorFlow looks the kernel up at 1024 distances, with a = -0.5 for half-pixel centres and -0.75 else.
  constexpr float kDistances = 1024.0f;
  const bool half_pixel = node.attr_or<bool>("half_pixel_centers", false);
  const double a = half_pixel ? -0.5 : -0.75;
  const float scale = axis_scale(node, in, out);
  const float place = half_pixel ? (static_cast<float>(i) + 0.5f) * scale - 0.5f : static_cast<float>(i) * scale;
  const float floor = std::floor(place);
  const float delta = std::nearbyint((place - floor) * kDistances) / kDistances;
  const auto low = static_cast<int64_t>(floor);
  const std::array<float, 4> weights = {far_weight(a, 1 + delta), near_weight(a, delta), near_weight(a, 1 - delta),
                                        far_weight(a, 2 - delta)};
  Terms terms;
  float sum = 0.0f;
  for (int64_t k = 0; k < 4; ++k) {
    const int64_t wanted = low - 1 + k, index = std::clamp<int64_t>(wanted, 0, in - 1);
    // With half-pixel centres pixels outside of the image weigh nothing; else the border is repeated.
    const float weight = half_pixel && index != wanted ? 0.0f : weights[static_cast<size_t>(k)];
    terms.push_back({index, weight});
    sum += weight;
  }
  if (half_pixel && std::fabs(sum) >= 1000.0f * std::numeric_limits<float>::min()) {
    for (Term& term : terms) term.weight /= sum;
  }
  return terms;
}

// The share of every pixel in the interval that the result stands for.
Terms area_terms(const ir::Node& node, int64_t in, int64_t out, int64_t i) {
  const float scale = axis_scale(node, in, out);
  const float from = static_cast<float>(i) * scale, to = static_cast<float>(i + 1) * scale;
  Terms terms;
  for (auto k = static_cast<int64_t>(std::floor(from)); k < static_cast<int64_t>(std::ceil(to)); ++k) {
    const auto left = static_cast<float>(k);
    const float covered = std::min(left + 1, to) - std::max(left, from);
    terms.push_back({std::clamp<int64_t>(k, 0, in - 1), covered / scale});
  }
  return terms;
}

}  // namespace

std::vector<ResizeTerm> resize_terms(const ir::Node& node, int64_t in, int64_t out, int64_t i) {
  return node.op == "ResizeBicubic" ? cubic_terms(node, in, out, i) : area_terms(node, in, out, i);
}

namespace {

std::vector<Tensor> evaluate_smooth(const ir::Node& node, std::span<const Tensor> inputs) {
  Tensor output = make_output(infer_smooth, node, inputs);
  const Tensor input = as_f32(inputs[0]);
  const Shape& in = input.shape();
  const Shape& out = output.shape();
  std::vector<Terms> columns;
  for (int64_t x = 0; x < out[2]; ++x) columns.push_back(resize_terms(node, in[2], out[2], x));
  const int64_t channels = in[3];
  std::vector<float> row(static_cast<size_t>(in[2] * channels));
  float* to = output.mutable_as<float>();
  for (int64_t n = 0; n < out[0]; ++n) {
    for (int64_t y = 0; y < out[1]; ++y) {
      std::fill(row.begin(), row.end(), 0.0f);
      for (const Term& term : resize_terms(node, in[1], out[1], y)) {
        const float* from = input.as<float>() + (n * in[1] + term.index) * in[2] * channels;
        for (size_t k = 0; k < row.size(); ++k) row[k] += from[k] * term.weight;
      }
      for (const Terms& column : columns) {
        std::fill_n(to, channels, 0.0f);
        for (const Term& term : column) {
          const float* from = row.data() + term.index * channels;
          for (int64_t c = 0; c < channels; ++c) to[c] += from[c] * term.weight;
        }
        to += channels;
      }
    }
  }
  return {output};
}

}  // namespace

std::vector<Op> resize_smooth_ops() {
  return {
      {.name = "ResizeBicubic", .infer = infer_smooth, .evaluate = evaluate_smooth},
      {.name = "ResizeArea",
       .infer = infer_smooth,
       .evaluate = evaluate_smooth,
       .int8 = {.sign = Sign::NonNegativeIfAll}},
  };
}

}  // namespace tfengine::ops
