// SPDX-License-Identifier: Apache-2.0
#include "compiler/gains.h"

#include <algorithm>

namespace tfengine::detail {

namespace {

using Made = Int8Maker::Made;

bool has_gates(const quantize::RewriteReport& report) {
  return std::any_of(report.nodes.begin(), report.nodes.end(),
                     [](const quantize::NodeReport& node) { return node.reason == quantize::NodeReason::Gate; });
}

bool has_unsigned(const quantize::RewriteReport& report) {
  return std::any_of(report.tensors.begin(), report.tensors.end(), [](const quantize::TensorReport& tensor) {
    return tensor.scale > 0.0f && tensor.dtype == DType::U8 && tensor.zero_point == 0;
  });
}

}  // namespace

std::vector<Gain> measure_gains(Int8Maker& maker, const Judge& judge, const Made& made) {
  const quantize::RewriteResult whole = rewrite(made.graph, made.recipe);
  const double db = judge.score(whole.graph).typical_db;
  std::vector<Gain> gains;
  const auto without = [&](std::string what, const Made& other) {
    gains.push_back({std::move(what), db - judge.score(rewrite(other.graph, other.recipe).graph).typical_db});
  };
  const Recipe& recipe = made.recipe;
  if (recipe.weight_range == quantize::WeightRange::Max && recipe.rounded.empty()) {
    Made other = made;
    other.recipe.weight_range = quantize::WeightRange::PerTensor;
    without("weights with a scale per channel", other);
  }
  if (whole.report.corrected_biases > 0) {
    Made other = made;
    other.recipe.means.clear();
    without("bias correction", other);
  }
  if (recipe.int8_grid == "auto" && !recipe.asymmetric && has_unsigned(whole.report)) {
    Made other = made;
    other.recipe.int8_grid = "tensorrt";
    without("unsigned grids", other);
  }
  if (has_gates(whole.report)) {
    Made other = made;
    other.recipe.float_gates = false;
    without("float gates", other);
  }
  for (const std::string& name : made.measures.names()) {
    Made other = maker.make(without_measure(made.measures, name));
    other.recipe.keep_float = made.recipe.keep_float;
    other.recipe.slow = made.recipe.slow;
    without(name, other);
  }
  return gains;
}

}  // namespace tfengine::detail
