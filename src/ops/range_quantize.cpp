// SPDX-License-Identifier: Apache-2.0
// TensorFlow's QuantizeV2 and Dequantize: real numbers and integers by a range [min, max], per tensor or along an axis.
// DequantizeRange is TensorFlow's Dequantize; the name of old stands for this library's own step.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"
#include "ops/range_slices.h"

namespace tfengine::ops {

namespace {

struct IntegerRange {
  double low, high;
  double steps() const { return high - low; }
};

IntegerRange integer_range(const ir::Node& node, DType dtype) {
  switch (dtype) {
    case DType::S8:
      return {-128, 127};
    case DType::U8:
      return {0, 255};
    case DType::S16:
      return {-32768, 32767};
    case DType::U16:
      return {0, 65535};
    case DType::S32:
      return {-2147483648.0, 2147483647.0};
    default:
      bad_node(node, "its integers are {}, expected 8, 16 or 32 bits", dtype_name(dtype));
  }
}

enum class Mode { MinCombined, MinFirst, Scaled };

Mode mode_of(const ir::Node& node) {
  const std::string mode = node.attr_or<std::string>("mode", "MIN_COMBINED");
  if (mode == "MIN_COMBINED") return Mode::MinCombined;
  if (mode == "MIN_FIRST") return Mode::MinFirst;
  if (mode == "SCALED") return Mode::Scaled;
  bad_node(node, "mode is '{}', expected MIN_COMBINED, MIN_FIRST or SCALED", mode);
}

std::vector<float> floats_of(const ir::Node& node, const Tensor& tensor, int64_t count) {
  if (tensor.elements() != count) bad_node(node, "has {} bounds, expected {}", tensor.elements(), count);
  const Tensor wide = as_f32(tensor);
  return {wide.as<float>(), wide.as<float>() + count};
}

std::vector<TypeInfo> infer_quantize(const InferContext& context) {
  require_inputs(context, 3);
  const TypeInfo& input = context.inputs[0];
  const auto dtype = context.node.attr<DType>("T");
  integer_range(context.node, dtype);
  Shape bounds;
  const int64_t axis = context.node.attr_or<int64_t>("axis", -1);
  if (axis >= 0) {
    bounds = Shape{-1};
    if (input.shape.ranked()) bounds[0] = input.shape[normalize_axis(context.node, axis, input.shape.rank())];
  }
  return {{dtype, input.shape}, {DType::F32, bounds}, {DType::F32, bounds}};
}

// The range that is quantized with: it holds 0, and is not smaller than float can tell apart.
struct Bounds {
  float min, max;
};

Bounds widened(const ir::Node& node, float min, float max) {
  if (!(min <= max)) bad_node(node, "its range is {} to {}, expected min to max", min, max);
  const float least = node.attr_or<float>("ensure_minimum_range", 0.01f);
  min = std::min(0.0f, min);
  const float margin = std::max(1.0f, std::max(std::fabs(min), std::fabs(max))) * least;
  max = std::max(0.0f, std::max(max, min + margin));
  return {min, max};
}

struct Quantizer {
  float scale = 1.0f;
  Bounds bounds;  // as the op gives them back
};

Quantizer scaled_quantizer(const ir::Node& node, const Bounds& bounds, const IntegerRange& grid, bool is_signed) {
  const double low = is_signed && node.attr_or<bool>("narrow_range", false) ? grid.low + 1 : grid.low;
  const auto infinite = std::numeric_limits<float>::infinity();
  const float from_min = bounds.min != 0 && low != 0 ? static_cast<float>(low) / bounds.min : infinite;
  const float from_max = bounds.max != 0 ? static_cast<float>(grid.high) / bounds.max : infinite;
  const float scale = std::min(from_min > 0 ? from_min : infinite, from_max > 0 ? from_max : infinite);
  if (scale == infinite) return {0.0f, bounds};
  return {scale, {static_cast<float>(low) / scale, static_cast<float>(grid.high) / scale}};
}

std::vector<Tensor> evaluate_quantize(const ir::Node& node, std::span<const Tensor> inputs) {
  const std::vector<TypeInfo> types = infer_exact(infer_quantize, node, inputs);
  const Tensor input = as_f32(inputs[0]);
  const Slices slices = slices_of(node, input.shape());
  const std::vector<float> mins = floats_of(node, inputs[1], slices.count),
                           maxs = floats_of(node, inputs[2], slices.count);
  const IntegerRange grid = integer_range(node, types[0].dtype);
  const bool is_signed = grid.low < 0;
  const Mode mode = mode_of(node);
  const bool to_even = node.attr_or<std::string>("round_mode", "HALF_AWAY_FROM_ZERO") == "HALF_TO_EVEN";
  std::vector<Quantizer> quantizers;
  for (int64_t s = 0; s < slices.count; ++s) {
    const Bounds bounds = widened(node, mins[static_cast<size_t>(s)], maxs[static_cast<size_t>(s)]);
    if (mode == Mode::Scaled) {
      quantizers.push_back(scaled_quantizer(node, bounds, grid, is_signed));
    } else {
      quantizers.push_back({static_cast<float>(grid.steps() / (static_cast<double>(bounds.max) - bounds.min)), bounds});
    }
  }
  Tensor wide(DType::F64, input.shape());
  for (int64_t i = 0; i < input.elements(); ++i) {
    const Quantizer& q = quantizers[static_cast<size_t>(slices.of(i))];
    const float x = input.as<float>()[i];
    double value = 0.0;
    if (mode == Mode::Scaled) {
      const float clamped = std::clamp(x, q.bounds.min, q.bounds.max) * q.scale;
      value = to_even ? std::nearbyint(clamped) : std::round(clamped);
      if (is_signed && node.attr_or<bool>("narrow_range", false)) value = std::max(value, grid.low + 1);
    } else if (mode == Mode::MinCombined) {
      const float clamped = std::clamp(x, q.bounds.min, q.bounds.max) - q.bounds.min;
      float shifted = clamped * q.scale;
      if (is_signed) shifted -= static_cast<float>((grid.steps() + 1) / 2);
      value = std::round(shifted);
    } else {
      // TensorFlow rounds the value and the range's lower end apart, so that 0 stays exact.
      value = std::round(static_cast<double>(x) * q.scale) - std::round(static_cast<double>(q.bounds.min) * q.scale) +
              grid.low;
    }
    wide.mutable_as<double>()[i] = std::clamp(value, grid.low, grid.high);
  }
  Tensor low(DType::F32, types[1].shape), high(DType::F32, types[2].shape);
  for (size_t s = 0; s < quantizers.size(); ++s) {
    low.mutable_as<float>()[s] = quantizers[s].bounds.min;
    high.mutable_as<float>()[s] = quantizers[s].bounds.max;
  }
  return {cast_tensor(wide, types[0].dtype), low, high};
}

std::vector<TypeInfo> infer_dequantize(const InferContext& context) {
  require_inputs(context, 3);
  return {{context.node.attr_or<DType>("dtype", DType::F32), context.inputs[0].shape}};
}

std::vector<Tensor> evaluate_dequantize(const ir::Node& node, std::span<const Tensor> inputs) {
  const TypeInfo type = infer_exact(infer_dequantize, node, inputs)[0];
  const Slices slices = slices_of(node, inputs[0].shape());
  const std::vector<float> mins = floats_of(node, inputs[1], slices.count),
                           maxs = floats_of(node, inputs[2], slices.count);
  const IntegerRange grid = integer_range(node, inputs[0].dtype());
  const bool is_signed = grid.low < 0;
  const Mode mode = mode_of(node);
  const Tensor integers = cast_tensor(inputs[0], DType::F64);
  Tensor output(DType::F32, inputs[0].shape());
  for (int64_t i = 0; i < integers.elements(); ++i) {
    const auto slice = static_cast<size_t>(slices.of(i));
    const float min = mins[slice], max = maxs[slice];
    const double q = integers.as<double>()[i];
    double value = 0.0;
    if (mode == Mode::Scaled) {
      const double low = is_signed && node.attr_or<bool>("narrow_range", false) ? grid.low + 1 : grid.low;
      const float scale = is_signed ? std::max(min / static_cast<float>(low), max / static_cast<float>(grid.high))
                                    : max / static_cast<float>(grid.high);
      value = q * scale;
    } else if (mode == Mode::MinCombined) {
      const float scale = (max - min) / static_cast<float>(grid.steps());
      value = (q + (is_signed ? (grid.steps() + 1) / 2 : 0.0)) * scale + min;
    } else {
      const double scale = (static_cast<double>(max) - min) / grid.steps();
      const double lowest = min == max ? min : std::round(min / scale) * scale;
      value = min == max ? min : lowest + (q - grid.low) * scale;
    }
    output.mutable_as<float>()[i] = static_cast<float>(value);
  }
  return {cast_tensor(output, type.dtype)};
}

}  // namespace

std::vector<Op> range_quantize_ops() {
  return {
      {.name = "QuantizeV2", .infer = infer_quantize, .evaluate = evaluate_quantize, .folds = false},
      {.name = "DequantizeRange", .infer = infer_dequantize, .evaluate = evaluate_dequantize},
  };
}

}  // namespace tfengine::ops
