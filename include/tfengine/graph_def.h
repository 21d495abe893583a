// SPDX-License-Identifier: Apache-2.0
// TensorFlow graphs in which engines stand for what engines can run: GraphDef bytes in, GraphDef bytes with TRTEngineOp
// nodes out, as TF-TRT made them. TensorFlow is not needed here; to run the result it needs tfengine's op library.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/data.h"
#include "tfengine/export.h"
#include "tfengine/model.h"

namespace tfengine {

// TF-TRT's parameters, with its names and defaults.
struct GraphDefParams {
  std::string precision_mode = "FP32";  // FP32, FP16 or INT8, in either case
  uint64_t max_workspace_size_bytes = uint64_t{1} << 30;
  // Nodes that are not identities; smaller segments stay in TensorFlow. -1: the main graph is left as it is.
  int minimum_segment_size = 3;
  int maximum_cached_engines = 1;
  // INT8: ranges are measured on data. False: they come from the graph's quantization nodes.
  bool use_calibration = true;
  // False: engines are built now and put into the graph; shapes, but for the batch size, have to be known.
  bool is_dynamic_op = true;
  int max_batch_size = 1;
  bool use_dynamic_shape = false;
  std::string profile_strategy;  // "", Range, Optimal, Range+Optimal or ImplicitBatchModeCompatible
  bool allow_build_at_runtime = true;
  std::vector<std::string> nodes_denylist;  // names of nodes ("name:0" as well) that stay in TensorFlow
  std::vector<std::string> op_denylist;     // ops that stay in TensorFlow
  int max_engines = 20;                     // the largest segments; 0 or less: all
  // What makes ranges of calibration data: see Calibration::ranges().
  std::string calibrator = "entropy";
  double percentile = 99.99;  // for the calibrators "percentile" and "legacy"
  // INT8: an engine with tensors that lack a range is an error that names them all, not float where they are read. An engine
  // that is built when it runs fails its call then.
  bool strict_ranges = false;
  // Engines that are built now come without the TensorFlow function of their segment, and with it without a second copy of
  // the weights; what such an engine cannot run is an error then.
  bool remove_native_segments = false;
  // NNN in the engines' names TRTEngineOp_NNN_MMM. -1: the next one of this process, so that no two graphs' engines
  // share a name.
  int graph_number = -1;
};

struct GraphDefEngine {
  std::string name;                         // of the node
  int nodes = 0;                            // in its segment, constants not counted
  std::vector<TensorSpec> inputs, outputs;  // tensors of the graph that was given
  std::map<std::string, int> ops;           // how often each op occurs in the segment, constants not counted
  std::string device;
  bool built = false;  // the engine is in the graph
};

struct GraphDefConversion {
  std::string graph_def;
  std::vector<GraphDefEngine> engines;
  // {"engines": [...], "refusals": [{node, op, reason, remedy}], "notes": [...], "nodes_total", "nodes_converted", ...}
  std::string report_json;
  // Nodes that the outputs need, constants not counted, and how many of them are in engines.
  int nodes_total = 0;
  int nodes_converted = 0;

  // For people: a table of the engines and why other nodes are not in one.
  TFE_API std::string report_text() const;
};

// Replaces what engines can run. `outputs` are the nodes or tensors that will be fetched (empty: those that no other node
// uses); what they do not need is left out. InvalidModel (malformed graph) and InvalidArgument (an output, node or
// parameter that cannot be). A node that cannot be converted is no error: it stays, and the report says why.
TFE_API GraphDefConversion convert_graph_def(std::string_view graph_def, const std::vector<std::string>& outputs,
                                             const GraphDefParams& params = {});

// The same with data, as TF-TRT's C++ ConvertAndBuild: INT8 engines are calibrated with the batches, and engines are
// built for the first batch's shapes and put into the graph unless params.is_dynamic_op. `inputs` are the placeholders
// that a batch's tensors are for, in their order where the tensors have no names. Every node that engines depend on has to
// be one that tfengine runs: InvalidModel naming it if not (such graphs are calibrated in TensorFlow).
TFE_API GraphDefConversion convert_and_build(std::string_view graph_def, const std::vector<std::string>& inputs,
                                             const std::vector<std::string>& outputs, BatchSource& batches,
                                             const GraphDefParams& params = {});

}  // namespace tfengine
