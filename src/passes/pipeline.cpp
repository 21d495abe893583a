// SPDX-License-Identifier: Apache-2.0
#include "passes/pipeline.h"

#include <algorithm>
#include <array>

#include "ops/op.h"
#include "passes/clean_up.h"
#include "passes/common_subexpressions.h"
#include "passes/convolution_forms.h"
#include "passes/dense_to_conv.h"
#include "passes/dilated_convolutions.h"
#include "passes/eliminate_transposes.h"
#include "passes/flatten_concats.h"
#include "passes/fold_affine.h"
#include "passes/fold_constants.h"
#include "passes/fold_pads.h"
#include "passes/fuse_epilogues.h"
#include "passes/lower_einsum.h"
#include "passes/quantization_nodes.h"
#include "passes/recognise_activations.h"
#include "passes/recognise_layer_norm.h"
#include "passes/simplify_arithmetic.h"
#include "passes/simplify_reshapes.h"
#include "passes/sink_reshapes.h"

namespace tfengine::passes {

namespace {

struct Step {
  std::string_view name;
  PassFn fn;
};

// The order matters: ranges are taken before folding can remove their tensors; formulas are recognised before their
// constants are folded into convolutions; affine maps are folded before activations close a node's epilogue.
constexpr Step kSteps[] = {
    {"clean_up", clean_up},
    {"fold_constants", fold_constants},
    {"quantization_nodes", quantization_nodes},
    {"lower_einsum", lower_einsum},
    {"fold_constants", fold_constants},
    {"dilated_convolutions", dilated_convolutions},
    {"common_subexpressions", common_subexpressions},
    {"simplify_arithmetic", simplify_arithmetic},
    {"simplify_reshapes", simplify_reshapes},
    {"eliminate_transposes", eliminate_transposes},
    {"recognise_layer_norm", recognise_layer_norm},
    {"recognise_activations", recognise_activations},
    {"simplify_reshapes", simplify_reshapes},
    {"dense_to_conv", dense_to_conv},
    {"convolution_forms", convolution_forms},
    {"sink_reshapes", sink_reshapes},
    {"simplify_reshapes", simplify_reshapes},
    {"fold_pads", fold_pads},
    {"fold_affine_backward", fold_affine_backward},
    {"fold_affine_forward", fold_affine_forward},
    {"flatten_concats", flatten_concats},
    {"fuse_epilogues", fuse_epilogues},
    {"common_subexpressions", common_subexpressions},
};

}  // namespace

PassReport run_pipeline(ir::Graph& graph, const PassOptions& options) {
  PassReport report;
  ops::infer_graph(graph);
  for (const Step& step : kSteps) run_pass(step.name, step.fn, graph, options, report);
  graph = graph.compacted();
  return report;
}

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names;
  for (const Step& step : kSteps) {
    if (std::find(names.begin(), names.end(), step.name) == names.end()) names.push_back(step.name);
  }
  return names;
}

}  // namespace tfengine::passes
