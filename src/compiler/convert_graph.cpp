// SPDX-License-Identifier: Apache-2.0
// The straight line from a GraphDef to one with engines: read, types, segments, write.
#include <algorithm>
#include <cctype>

#include "backends/list.h"
#include "base/check.h"
#include "compiler/graph_def/emit.h"
#include "compiler/graph_def/report.h"
#include "compiler/graph_def/segments.h"
#include "tfengine/graph_def.h"
#include "tfgraph/located.h"

namespace tfengine {

namespace {

using namespace graphdef;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

void check_params(const GraphDefParams& params) {
  const std::string precision = upper(params.precision_mode);
  if (precision != "FP32" && precision != "FP16" && precision != "INT8") {
    fail<InvalidArgument>("precision_mode '{}' is not supported, expected FP32, FP16 or INT8", params.precision_mode);
  }
  if (params.minimum_segment_size < 1 && params.minimum_segment_size != -1) {
    fail<InvalidArgument>("minimum_segment_size is {}, expected a positive number, or -1 to leave the main graph as it is",
                          params.minimum_segment_size);
  }
  if (params.maximum_cached_engines < 1) {
    fail<InvalidArgument>("maximum_cached_engines is {}, expected at least 1", params.maximum_cached_engines);
  }
  if (params.max_batch_size < 1) {
    fail<InvalidArgument>("max_batch_size is {}, expected at least 1", params.max_batch_size);
  }
  constexpr std::string_view kStrategies[] = {"", "RANGE", "OPTIMAL", "RANGE+OPTIMAL", "IMPLICITBATCHMODECOMPATIBLE"};
  if (std::find(std::begin(kStrategies), std::end(kStrategies), upper(params.profile_strategy)) == std::end(kStrategies)) {
    fail<InvalidArgument>(
        "profile_strategy '{}' is unknown, expected Range, Optimal, Range+Optimal or ImplicitBatchModeCompatible",
        params.profile_strategy);
  }
}

SegmentationOptions segmentation_options(const GraphDefParams& params) {
  SegmentationOptions options;
  options.candidates.int8 = upper(params.precision_mode) == "INT8";
  options.candidates.nodes_denylist = params.nodes_denylist;
  options.candidates.op_denylist = params.op_denylist;
  options.minimum_segment_size = params.minimum_segment_size;
  options.max_engines = params.max_engines;
  return options;
}

}  // namespace

GraphDefConversion convert_graph_def(std::string_view graph_def, const std::vector<std::string>& outputs,
                                     const GraphDefParams& params) {
  check_params(params);
  return tfgraph::with_file("GraphDef", [&] {
    const tfgraph::GraphDef graph = tfgraph::read_graph_def(graph_def);
    const GraphView view(graph, outputs, params.nodes_denylist);
    const GraphTypes types(view, params.max_batch_size);
    SegmentationResult found;
    if (params.minimum_segment_size > 0) {
      found = find_segments(view, types, segmentation_options(params), *backends_by_name("")[0]);
    }
    const int number = graph_number(view, params.graph_number);
    std::vector<EngineText> engines;
    for (size_t i = 0; i < found.segments.size(); ++i) engines.push_back({engine_name(number, i), {}, {}});
    Emitted emitted = emit_graph(view, types, found.segments, engines, params, number);
    return make_conversion(view, types, found, engines, std::move(emitted));
  });
}

}  // namespace tfengine
