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
#include "passes/hoist_from_loops.h"
#include "passes/lower_einsum.h"
#include "passes/lower_fused_nodes.h"
#include "passes/quantization_nodes.h"
#include "passes/recognise_activations.h"
#include "passes/recognise_layer_norm.h"
#include "passes/regions.h"
#include "passes/simplify_arithmetic.h"
#include "passes/simplify_reshapes.h"
#include "passes/sink_reshapes.h"
#include "passes/weight_products.h"

namespace tfengine::passes {

namespace {

struct Step {
  std::string_view name;
  PassFn fn;
};

// In its place, all steps are run on the graphs of regions.
constexpr std::string_view kRegions = "regions";

// The order matters: ranges are taken before folding can remove their tensors; formulas are recognised before their
// constants are folded into convolutions; affine maps are folded before activations close a node's epilogue.
constexpr Step kSteps[] = {
    {"lower_fused_nodes", lower_fused_nodes},
    {"clean_up", clean_up},
    {"fold_constants", fold_constants},
    {"simplify_regions", simplify_regions},
    {"hoist_from_loops", hoist_from_loops},
    {kRegions, nullptr},
    {"quantization_nodes", quantization_nodes},
    {"lower_einsum", lower_einsum},
    {"weight_products", weight_products},
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

void run_steps(ir::Graph& graph, const PassOptions& options, PassReport& report);

void run_regions(ir::Graph& graph, const PassOptions& options, PassReport& report) {
  PassOptions inner = options;
  inner.dump = nullptr;  // dumps show whole graphs
  bool any = false;
  for (const ir::NodeId id : graph.order()) {
    for (ir::Graph& region : graph.node(id).regions) {
      run_steps(region, inner, report);
      any = true;
    }
  }
  if (any) ops::infer_graph(graph);
}

void run_steps(ir::Graph& graph, const PassOptions& options, PassReport& report) {
  for (const Step& step : kSteps) {
    if (step.fn == nullptr)
      run_regions(graph, options, report);
    else
      run_pass(step.name, step.fn, graph, options, report);
  }
  graph = graph.compacted();
}

}  // namespace

PassReport run_pipeline(ir::Graph& graph, const PassOptions& options) {
  PassReport report;
  ops::infer_graph(graph);
  run_steps(graph, options, report);
  return report;
}

std::vector<std::string_view> pass_names() {
  std::vector<std::string_view> names;
  for (const Step& step : kSteps) {
    if (step.fn != nullptr && std::find(names.begin(), names.end(), step.name) == names.end())
      names.push_back(step.name);
  }
  return names;
}

}  // namespace tfengine::passes
