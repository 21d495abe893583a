// SPDX-License-Identifier: Apache-2.0
// The straight line from a GraphDef to one with engines: read, types, segments, write.
#include <algorithm>

#include "backends/list.h"
#include "base/check.h"
#include "compiler/graph_def/build.h"
#include "compiler/graph_def/emit.h"
#include "compiler/graph_def/precision.h"
#include "compiler/graph_def/report.h"
#include "compiler/graph_def/segments.h"
#include "quantize/solver.h"
#include "tfengine/graph_def.h"
#include "tfgraph/format.h"
#include "tfgraph/inline.h"
#include "tfgraph/located.h"

namespace tfengine {

namespace {

using namespace graphdef;

void check_params(const GraphDefParams& params) {
  engine_precision(params.precision_mode);
  if (params.minimum_segment_size < 1 && params.minimum_segment_size != -1) {
    fail<InvalidArgument>(
        "minimum_segment_size is {}, expected a positive number, or -1 to leave the main graph as it is",
        params.minimum_segment_size);
  }
  if (params.maximum_cached_engines < 1) {
    fail<InvalidArgument>("maximum_cached_engines is {}, expected at least 1", params.maximum_cached_engines);
  }
  if (params.max_batch_size < 1) {
    fail<InvalidArgument>("max_batch_size is {}, expected at least 1", params.max_batch_size);
  }
  quantize::SolverOptions solver;
  solver.calibrator = params.calibrator;
  solver.percentile = params.percentile;
  quantize::check_solver_options(solver);
  constexpr std::string_view kStrategies[] = {"", "RANGE", "OPTIMAL", "RANGE+OPTIMAL", "IMPLICITBATCHMODECOMPATIBLE"};
  if (std::find(std::begin(kStrategies), std::end(kStrategies), upper(params.profile_strategy)) ==
      std::end(kStrategies)) {
    fail<InvalidArgument>(
        "profile_strategy '{}' is unknown, expected Range, Optimal, Range+Optimal or ImplicitBatchModeCompatible",
        params.profile_strategy);
  }
}

SegmentationOptions segmentation_options(const GraphDefParams& params) {
  SegmentationOptions options;
  options.candidates.int8 = engine_precision(params.precision_mode).name == "int8";
  options.candidates.nodes_denylist = params.nodes_denylist;
  options.candidates.op_denylist = params.op_denylist;
  options.minimum_segment_size = params.minimum_segment_size;
  options.max_engines = params.max_engines;
  return options;
}

class Converter {
 public:
  Converter(std::string_view graph_def, const std::vector<std::string>& outputs, const GraphDefParams& params)
      : bytes_(graph_def), outputs_(outputs), params_(params) {}

  // `batches` may be null.
  GraphDefConversion run(BatchSource* batches, const std::vector<std::string>& inputs) {
    return tfgraph::with_file("GraphDef", [&] {
      if (!bytes_.empty()) tfgraph::require_binary_proto(bytes_);
      const tfgraph::GraphDef graph = tfgraph::read_graph_def(bytes_);
      if (graph.nodes.empty()) fail<InvalidModel>("this is no GraphDef: it has no nodes");
      const tfgraph::InlinedGraph inlined = tfgraph::inline_calls(graph, outputs_, params_.nodes_denylist);
      const GraphView view(inlined.graph, outputs_, params_.nodes_denylist);
      const GraphTypes types(view, params_.max_batch_size);
      SegmentationResult found;
      if (params_.minimum_segment_size > 0) {
        found = find_segments(view, types, segmentation_options(params_), *backends_by_name("")[0]);
      }
      found.notes.insert(found.notes.begin(), inlined.notes.begin(), inlined.notes.end());
      const int number = graph_number(view, params_.graph_number);
      std::vector<EngineText> engines;
      for (size_t i = 0; i < found.segments.size(); ++i) engines.push_back({engine_name(number, i), {}, {}, {}});
      if (batches != nullptr) {
        build_from(view, types, found, inputs, *batches, engines);
      } else if (!params_.is_dynamic_op) {
        build_static(view, types, found, engines);
      }
      Emitted emitted = emit_graph(view, types, found.segments, engines, params_, number);
      return make_conversion(view, types, found, engines, std::move(emitted));
    });
  }

 private:
  bool calibrates() const { return engine_precision(params_.precision_mode).name == "int8" && params_.use_calibration; }

  void build_static(const GraphView& view, const GraphTypes& types, SegmentationResult& found,
                    std::vector<EngineText>& engines) const {
    if (calibrates()) {
      found.notes.emplace_back("INT8 engines are calibrated when they run: they are not built now (is_dynamic_op)");
      return;
    }
    for (size_t i = 0; i < engines.size(); ++i) {
      const auto shapes = static_shapes(types, found.segments[i], params_);
      if (shapes) {
        engines[i].serialized =
            build_engine(view, types, found.segments[i], engines[i].name, params_, *shapes, nullptr, found.notes);
      } else {
        found.notes.push_back(
            fmt::format("{} is built when it runs: the shapes of its inputs are not known now", engines[i].name));
      }
    }
  }

  void build_from(const GraphView& view, const GraphTypes& types, SegmentationResult& found,
                  const std::vector<std::string>& inputs, BatchSource& batches,
                  std::vector<EngineText>& engines) const {
    const std::vector<FedSegment> fed =
        feed_segments(view, types, found.segments, engines, inputs, batches, calibrates());
    for (size_t i = 0; i < engines.size(); ++i) {
      const Calibration* calibration = fed[i].calibration ? &*fed[i].calibration : nullptr;
      if (calibration != nullptr) {
        engines[i].calibration_data = calibration->table(params_.calibrator, params_.percentile);
        engines[i].channel_means = calibration->channel_means();
      }
      if (params_.is_dynamic_op) continue;
      engines[i].serialized = build_engine(view, types, found.segments[i], engines[i].name, params_, fed[i].shapes,
                                           calibration, found.notes);
    }
  }

  std::string_view bytes_;
  const std::vector<std::string>& outputs_;
  const GraphDefParams& params_;
};

}  // namespace

GraphDefConversion convert_graph_def(std::string_view graph_def, const std::vector<std::string>& outputs,
                                     const GraphDefParams& params) {
  check_params(params);
  return Converter(graph_def, outputs, params).run(nullptr, {});
}

GraphDefConversion convert_and_build(std::string_view graph_def, const std::vector<std::string>& inputs,
                                     const std::vector<std::string>& outputs, BatchSource& batches,
                                     const GraphDefParams& params) {
  check_params(params);
  if (inputs.empty()) fail<InvalidArgument>("convert_and_build: got no inputs, expected the placeholders' names");
  return Converter(graph_def, outputs, params).run(&batches, inputs);
}

}  // namespace tfengine
