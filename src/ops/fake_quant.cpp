// SPDX-License-Identifier: Apache-2.0
// Quantization that a graph simulates in float: FakeQuantWithMinMax* and QuantizeAndDequantize*. As ranges these nodes
// are read by a pass; here is what they compute.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/range_slices.h"

namespace tfengine::ops {

namespace {

int bits_attr(const ir::Node& node) {
  const int64_t bits = node.attr_or<int64_t>("num_bits", 8);
  if (bits < 2 || bits > 31) bad_node(node, "num_bits is {}, expected 2 to 31", bits);
  return static_cast<int>(bits);
}

// The grid that holds 0 exactly, nudged as TensorFlow's fake_quant_ops_functor.h does, in float.
struct FakeGrid {
  FakeGrid(const ir::Node& node, float min, float max) {
    const float q_min = node.attr_or<bool>("narrow_range", false) ? 1.0f : 0.0f;
    const auto q_max = static_cast<float>((int64_t{1} << bits_attr(node)) - 1);
    empty = min == 0.0f && max == 0.0f;
    scale = (max - min) / (q_max - q_min);
    const float zero_from_min = q_min - min / scale;
    const float zero = zero_from_min < q_min ? q_min : zero_from_min > q_max ? q_max : std::round(zero_from_min);
    low = (q_min - zero) * scale;
    high = (q_max - zero) * scale;
    zero_steps = std::floor(-low / scale + 0.5f);
  }
  float operator()(float x) const {
    if (empty) return 0.0f;
    const float shifted = std::min(std::max(x, low), high) - low;
    return std::floor(shifted / scale - zero_steps + 0.5f) * scale;
  }
  bool empty;
  float scale, low, high, zero_steps;
};

std::vector<TypeInfo> infer_vars(const InferContext& context) {
  require_inputs(context, 3);
  return {context.inputs[0]};
}

std::vector<Tensor> evaluate_fake_quant(const ir::Node& node, const Tensor& data, const std::vector<FakeGrid>& grids) {
  const Tensor input = as_f32(data);
  Tensor output(DType::F32, input.shape());
  const auto count = static_cast<int64_t>(grids.size());
  if (count > 1 && (input.shape().rank() == 0 || input.shape().back() != count)) {
    bad_node(node, "has {} ranges for an input of shape {}", count, input.shape().str());
  }
  for (int64_t i = 0; i < input.elements(); ++i) {
    output.mutable_as<float>()[i] = grids[static_cast<size_t>(i % count)](input.as<float>()[i]);
  }
  return {cast_tensor(output, data.dtype())};
}

std::vector<Tensor> evaluate_args(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_same, node, inputs);
  return evaluate_fake_quant(node, inputs[0],
                             {FakeGrid(node, node.attr_or<float>("min", -6.0f), node.attr_or<float>("max", 6.0f))});
}

std::vector<Tensor> evaluate_vars(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_vars, node, inputs);
  const Tensor min = as_f32(inputs[1]), max = as_f32(inputs[2]);
  if (min.elements() != max.elements() || min.elements() == 0) {
    bad_node(node, "has {} minima and {} maxima", min.elements(), max.elements());
  }
  std::vector<FakeGrid> grids;
  for (int64_t i = 0; i < min.elements(); ++i) grids.emplace_back(node, min.as<float>()[i], max.as<float>()[i]);
  return evaluate_fake_quant(node, inputs[0], grids);
}

// One symmetric grid by TensorFlow's quantize_and_dequantize_op.h.
struct SymmetricGrid {
  float low = 0.0f, high = 0.0f, scale = 1.0f, inverse = 1.0f;
};

SymmetricGrid symmetric_grid(const ir::Node& node, int bits, float min, float max) {
  const bool is_signed = node.attr_or<bool>("signed_input", true);
  const int64_t levels = int64_t{1} << (is_signed ? bits - 1 : bits);
  const float q_min =
      !is_signed ? 0.0f : static_cast<float>(-levels + (node.attr_or<bool>("narrow_range", false) ? 1 : 0));
  const auto q_max = static_cast<float>(levels - 1);
  const float none = std::numeric_limits<float>::max();
  const float from_min = q_min * min > 0 ? q_min / min : none;
  const float from_max = q_max * max > 0 ? q_max / max : none;
  if (from_min < from_max) return {min, q_max * (min / q_min), from_min, min / q_min};
  if (from_max == none) return {min, max, 1.0f, 1.0f};
  return {q_min * (max / q_max), max, from_max, max / q_max};
}

float rounded(float x, bool half_up) { return half_up ? std::floor(x + 0.5f) : std::nearbyint(x); }

std::vector<Tensor> evaluate_quantize_dequantize(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_vars, node, inputs);
  const Tensor input = as_f32(inputs[0]);
  const float* x = input.as<float>();
  const Slices slices = slices_of(node, input.shape());
  // The third version, which has its number of bits as an input, has another default.
  const bool given = node.attr_or<bool>("range_given", inputs.size() > 3);
  const int64_t bits = inputs.size() > 3 ? as_ints(inputs[3]).at(0) : bits_attr(node);
  if (bits < 2 || bits > 31) bad_node(node, "num_bits is {}, expected 2 to 31", bits);
  const auto count = static_cast<size_t>(slices.count);
  std::vector<float> min(count, 0.0f), max(count, 0.0f);
  if (given) {
    const Tensor lows = as_f32(inputs[1]), highs = as_f32(inputs[2]);
    if (lows.elements() != slices.count || highs.elements() != slices.count) {
      bad_node(node, "has {} minima and {} maxima, expected {}", lows.elements(), highs.elements(), slices.count);
    }
    min.assign(lows.as<float>(), lows.as<float>() + slices.count);
    max.assign(highs.as<float>(), highs.as<float>() + slices.count);
  } else if (input.elements() > 0) {
    std::fill(min.begin(), min.end(), std::numeric_limits<float>::max());
    std::fill(max.begin(), max.end(), std::numeric_limits<float>::lowest());
    for (int64_t i = 0; i < input.elements(); ++i) {
      const auto slice = static_cast<size_t>(slices.of(i));
      min[slice] = std::min(min[slice], x[i]);
      max[slice] = std::max(max[slice], x[i]);
    }
  }
  std::vector<SymmetricGrid> grids;
  for (size_t i = 0; i < count; ++i) grids.push_back(symmetric_grid(node, static_cast<int>(bits), min[i], max[i]));
  const bool half_up = node.attr_or<std::string>("round_mode", "HALF_TO_EVEN") == "HALF_UP";
  Tensor output(DType::F32, input.shape());
  for (int64_t i = 0; i < input.elements(); ++i) {
    const SymmetricGrid& grid = grids[static_cast<size_t>(slices.of(i))];
    const float clamped = given ? std::max(std::min(x[i], grid.high), grid.low) : x[i];
    output.mutable_as<float>()[i] = rounded(clamped * grid.scale, half_up) * grid.inverse;
  }
  return {cast_tensor(output, inputs[0].dtype())};
}

}  // namespace

std::vector<Op> fake_quant_ops() {
  const Int8Rule passes{.kind = Int8Kind::Passes, .sign = Sign::NonNegativeIfAll};
  return {
      {.name = "FakeQuantWithMinMaxArgs",
       .infer = infer_same,
       .evaluate = evaluate_args,
       .int8 = passes,
       .folds = false},
      {.name = "FakeQuantWithMinMaxVars",
       .aliases = {"FakeQuantWithMinMaxVarsPerChannel"},
       .infer = infer_vars,
       .evaluate = evaluate_vars,
       .int8 = passes,
       .folds = false},
      {.name = "QuantizeAndDequantizeV2",
       .aliases = {"QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"},
       .infer = infer_vars,
       .evaluate = evaluate_quantize_dequantize,
       .int8 = passes,
       .folds = false},
  };
}

}  // namespace tfengine::ops
