// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/build.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "compiler/graph_def/precision.h"
#include "compiler/model_impl.h"
#include "compiler/report.h"
#include "passes/quantization_nodes.h"
#include "tfengine/convert.h"
#include "tfgraph/import.h"

namespace tfengine::graphdef {

namespace {

Model model_of(ir::Graph graph, const std::string& name) { return Model(detail::make_impl(std::move(graph), name)); }

std::string bytes_of(const Engine& engine) {
  std::string bytes;
  engine.write([&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  return bytes;
}

// The graph in front of the segments as one engine: from the graph's inputs to the tensors that enter segments.
class Front {
 public:
  Front(const GraphView& view, const std::vector<Segment>& segments, const std::vector<std::string>& inputs)
      : inputs_(inputs) {
    std::set<TensorRef> wanted;
    for (size_t i = 0; i < inputs.size(); ++i) given_.emplace(input_ref(view, inputs[i]), i);
    for (const Segment& segment : segments) {
      for (const TensorRef ref : segment.inputs) {
        if (given_.count(ref) == 0 && wanted.insert(ref).second) computed_.emplace(ref, computed_.size());
      }
    }
    if (!wanted.empty()) engine_.emplace(make_engine(view));
  }

  // The value of every tensor that enters a segment.
  std::map<TensorRef, Tensor> run(const Batch& batch) const {
    std::map<TensorRef, Tensor> values;
    const std::vector<Tensor> ordered = in_order(batch);
    for (const auto& [ref, index] : given_) values.emplace(ref, ordered[index]);
    if (!engine_) return values;
    std::vector<NamedTensor> named;
    for (const TensorSpec& spec : engine_->inputs()) {
      const auto at = std::find(inputs_.begin(), inputs_.end(), spec.name);
      named.push_back({spec.name, ordered[static_cast<size_t>(at - inputs_.begin())]});
    }
    const std::vector<NamedTensor> results = engine_->run(named);
    for (const auto& [ref, index] : computed_) values.emplace(ref, results[index].tensor);
    return values;
  }

 private:
  static TensorRef input_ref(const GraphView& view, const std::string& name) {
    const int id = view.find(node_name(name));
    if (id < 0) fail<InvalidArgument>("input '{}' is not a node of the graph", name);
    return {id, 0};
  }

  Engine make_engine(const GraphView& view) {
    tfgraph::ImportOptions options;
    tfgraph::ImportJob job{view.graph(), {}, {}, true, nullptr, {}, options};
    for (std::string& input : inputs_) {
      input = std::string(node_name(input));
      job.inputs.push_back({input, input, DType::Invalid, {}});
    }
    job.outputs.resize(computed_.size());
    for (const auto& [ref, index] : computed_) {
      const std::string name = view.tensor_name(ref);
      job.outputs[index] = {name, name, DType::Invalid, {}};
    }
    tfgraph::ConstantBudget budget;
    tfgraph::ImportReport report;
    try {
      const Model model = model_of(tfgraph::import_graph(job, budget, report), "the graph in front of the engines");
      ConvertOptions convert_options;
      // Batches rarely come in more than two sizes.
      convert_options.engine.maximum_cached_engines = 2;
      return convert(model, convert_options);
    } catch (const InvalidModel& error) {
      fail<InvalidModel>(
          "engines are calibrated and built from batches by running all nodes in front of them, and that fails: {}; "
          "such graphs are calibrated in TensorFlow",
          error.what());
    }
  }

  std::vector<Tensor> in_order(const Batch& batch) const {
    std::vector<Tensor> ordered(inputs_.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      const std::string name(node_name(batch[i].name));
      const auto at = name.empty() ? inputs_.begin() + static_cast<std::ptrdiff_t>(std::min(i, inputs_.size()))
                                   : std::find_if(inputs_.begin(), inputs_.end(),
                                                  [&](const std::string& input) { return node_name(input) == name; });
      if (at != inputs_.end()) ordered[static_cast<size_t>(at - inputs_.begin())] = batch[i].tensor;
    }
    for (size_t i = 0; i < ordered.size(); ++i) {
      if (!ordered[i].defined()) fail<InvalidArgument>("a batch has no tensor for input '{}'", inputs_[i]);
    }
    return ordered;
  }

  std::vector<std::string> inputs_;
  std::map<TensorRef, size_t> given_, computed_;
  std::optional<Engine> engine_;
};

bool has_quantization_nodes(const ir::Graph& whole) {
  bool found = false;
  ir::for_each_graph(whole, [&](const ir::Graph& graph) {
    for (const ir::NodeId id : graph.order()) found = found || passes::is_quantization_node(graph.node(id));
  });
  return found;
}

void note_missing_ranges(const std::string& name, const Engine& engine, std::vector<std::string>& notes) {
  const auto report = nlohmann::json::parse(engine.report_json());
  if (!report.contains("int8")) return;
  const auto missing = report["int8"]["missing_ranges"].get<std::vector<std::string>>();
  if (missing.empty()) return;
  notes.push_back(fmt::format("{}: {}; give ranges by quantization nodes, or calibrate", name,
                              detail::missing_ranges_text(missing)));
}

}  // namespace

std::string build_engine(const GraphView& view, const GraphTypes& types, const Segment& segment,
                         const std::string& name, const GraphDefParams& params, const std::vector<Shape>& shapes,
                         const Calibration* calibration, std::vector<std::string>& notes) {
  const EnginePrecision precision = engine_precision(params.precision_mode);
  if (!precision.notice.empty()) notes.push_back(name + ": " + precision.notice);
  ConvertOptions options;
  options.precision = precision.name;
  options.float_precision = "bf16";  // INT8 means INT8 and 16-bit floats in TF-TRT
  options.calibration = calibration;
  options.calibrator = params.calibrator;
  options.percentile = params.percentile;
  options.strict_ranges = params.strict_ranges;
  options.float_without_ranges = true;
  options.input_shapes = {shapes};
  options.engine.max_workspace_size_bytes = params.max_workspace_size_bytes;
  options.engine.maximum_cached_engines = std::max(1, params.maximum_cached_engines);
  ir::Graph graph = import_segment(view, types, segment);
  const bool has_ranges = calibration != nullptr || has_quantization_nodes(graph);
  const Engine engine = convert(model_of(std::move(graph), name), options);
  // With ranges, too, all may be float, where INT8 would be slower.
  if (precision.name == "int8" && !has_ranges) {
    notes.push_back(name + ": INT8 is asked for, and there are neither calibration data nor quantization nodes: " +
                    "the engine computes in float");
  }
  if (precision.name == "int8" && has_ranges) note_missing_ranges(name, engine, notes);
  return bytes_of(engine);
}

std::optional<std::vector<Shape>> static_shapes(const GraphTypes& types, const Segment& segment,
                                                const GraphDefParams& params) {
  std::vector<Shape> shapes;
  for (const TensorRef ref : segment.inputs) {
    Shape shape = types.type(ref).shape;
    if (shape.ranked() && shape.rank() > 0 && shape[0] < 0) shape[0] = params.max_batch_size;
    if (!shape.is_static()) return std::nullopt;
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::vector<FedSegment> feed_segments(const GraphView& view, const GraphTypes& types,
                                      const std::vector<Segment>& segments, const std::vector<EngineText>& engines,
                                      const std::vector<std::string>& inputs, BatchSource& batches, bool calibrate) {
  const Front front(view, segments, inputs);
  std::vector<FedSegment> fed(segments.size());
  std::vector<Calibrator> calibrators;
  for (size_t i = 0; calibrate && i < segments.size(); ++i) {
    calibrators.emplace_back(model_of(import_segment(view, types, segments[i]), engines[i].name));
  }
  Batch batch;
  bool any = false;
  while (batches.next(batch)) {
    const std::map<TensorRef, Tensor> values = front.run(batch);
    for (size_t i = 0; i < segments.size(); ++i) {
      Batch entering;
      for (const TensorRef ref : segments[i].inputs) entering.push_back({"", values.at(ref)});
      if (!any) {
        for (const NamedTensor& named : entering) fed[i].shapes.push_back(named.tensor.shape());
      }
      if (calibrate) calibrators[i].run(entering);
    }
    any = true;
    if (!calibrate) break;  // the first one tells the shapes
  }
  if (!any) fail<InvalidArgument>("the data holds no batch");
  for (size_t i = 0; i < calibrators.size(); ++i) fed[i].calibration = calibrators[i].result();
  return fed;
}

}  // namespace tfengine::graphdef
