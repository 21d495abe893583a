// SPDX-License-Identifier: Apache-2.0
// All decisions by which an engine's graph was made of its model, so that the same graph can be made again.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compiler/model_impl.h"
#include "plan/backend.h"
#include "quantize/equalization.h"
#include "quantize/range_table.h"
#include "quantize/rewrite.h"

namespace tfengine::detail {

struct Recipe {
  std::string precision;  // "fp32", "bf16", "int8"
  std::vector<std::string> nodes_denylist;
  std::vector<std::string> disabled_passes;
  std::string int8_grid = "auto";
  bool strict_ranges = false;  // missing ranges are an error
  const plan::Backend* backend = nullptr;
  quantize::RangeTable ranges;   // empty: no INT8
  quantize::ChannelMeans means;  // for the correction of biases; empty: none
  quantize::WeightRange weight_range = quantize::WeightRange::Max;
  quantize::ChannelFactors factors;  // of equalized activations
  quantize::RoundedWeights rounded;  // in place of rounding to nearest
  bool float_gates = true;
  bool asymmetric = false;           // activations may have zero points
  std::set<std::string> keep_float;  // nodes that stay float for accuracy
  std::set<std::string> slow;        // nodes that stay float because they are faster so
  bool bf16 = false;                 // layers that are float multiply bfloat16 numbers
  std::set<std::string> fp32;        // but for these
};

// The passes' part, the same for every precision.
Optimized optimize(const ModelImpl& model, const Recipe& recipe);
// The INT8 part. `cache`, if given, serves recipes that differ in `slow` alone. InvalidArgument for an unknown grid.
quantize::RewriteResult rewrite(const ir::Graph& optimized, const Recipe& recipe,
                                quantize::RewriteCache* cache = nullptr);
// The bfloat16 part.
ir::Graph float_layers(ir::Graph graph, const Recipe& recipe);
// The whole: the engine's graph.
ir::Graph make_graph(const ModelImpl& model, const Recipe& recipe);

}  // namespace tfengine::detail
