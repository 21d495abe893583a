// SPDX-License-Identifier: Apache-2.0
// Graphs whose ranges are given by quantization nodes, and the arithmetic on integers that they are held to.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "compiler/model_impl.h"
#include "ir/parser.h"
#include "tfengine/convert.h"

namespace tfengine {

inline Model model_of(const std::string& text) { return Model(detail::make_impl(ir::parse(text), "graph")); }

inline std::string number(float value) { return fmt::format("{:#}", value); }

// A node of one of the six kinds that gives [low, high], with what it needs in front.
inline std::string quantizer(const std::string& op, const std::string& out, const std::string& in, float low,
                             float high, int64_t channels, const std::string& more = "") {
  const auto constant = [&](const std::string& name, float value, bool per_channel) {
    if (!per_channel) return fmt::format("%{}/{} = const f32[] [{}]\n", out, name, number(value));
    // The widest channel is the last one.
    std::string values;
    for (int64_t i = 1; i <= channels; ++i) {
      const float share = static_cast<float>(i) / static_cast<float>(channels);
      values += (i == 1 ? "" : ", ") + number(value * share);
    }
    return fmt::format("%{}/{} = const f32[{}] [{}]\n", out, name, channels, values);
  };
  if (op == "FakeQuantWithMinMaxArgs") {
    return fmt::format("%{} = {}(%{}) {{min={}, max={}{}}}\n", out, op, in, number(low), number(high), more);
  }
  const bool per_channel = op == "FakeQuantWithMinMaxVarsPerChannel";
  std::string text = constant("low", low, per_channel) + constant("high", high, per_channel);
  if (op == "QuantizeAndDequantizeV3") {
    text += fmt::format("%{}/bits = const s32[] [8]\n", out);
    return text +
           fmt::format("%{0} = {1}(%{2}, %{0}/low, %{0}/high, %{0}/bits) {{range_given=true{3}}}\n", out, op, in, more);
  }
  const std::string given = op.rfind("Quantize", 0) == 0 ? "range_given=true" : "num_bits=8";
  return text + fmt::format("%{0} = {1}(%{2}, %{0}/low, %{0}/high) {{{3}{4}}}\n", out, op, in, given, more);
}

inline Tensor random_tensor(const Shape& shape, float most, unsigned seed) {
  Tensor x(DType::F32, shape);
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> values(-most, most);
  for (int64_t i = 0; i < x.elements(); ++i) x.mutable_as<float>()[i] = values(rng);
  return x;
}

inline ConvertOptions int8_options(const std::string& backend = "") {
  ConvertOptions options;
  options.precision = "int8";
  options.avoid_slow_int8 = false;
  options.engine.backend = backend;
  options.engine.threads = 1;
  options.int8_grid = "tensorrt";
  return options;
}

inline int saturated(float value, float scale) {
  return static_cast<int>(std::clamp(std::nearbyint(value / scale), -128.0f, 127.0f));
}

}  // namespace tfengine
