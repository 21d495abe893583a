// SPDX-License-Identifier: Apache-2.0
#include "tfengine/graph_def.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "data.h"
#include "module.h"
#include "tensors.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

// Keyword arguments, each taken once; what is left over is a mistake.
class Keywords {
 public:
  explicit Keywords(const nb::kwargs& given) : given_(given) {}

  template <typename T>
  void take(const char* name, T& field) {
    if (!given_.contains(name)) return;
    ++taken_;
    if (!nb::try_cast(given_[name], field)) {
      throw nb::type_error(
          (std::string(name) + ": got " + nb::repr(given_[name]).c_str() + ", expected what GraphDefParams has")
              .c_str());
    }
  }

  void finish(const std::string& known) const {
    if (taken_ == given_.size()) return;
    throw nb::type_error(("got the keyword arguments " + std::string(nb::repr(given_.attr("keys")()).c_str()) +
                          ", expected among: " + known)
                             .c_str());
  }

 private:
  const nb::kwargs& given_;
  size_t taken_ = 0;
};

// The keyword arguments of both functions are GraphDefParams' fields.
GraphDefParams params_from(const nb::kwargs& given) {
  GraphDefParams params;
  Keywords keywords(given);
  std::string known;
  const auto take = [&](const char* name, auto& field) {
    keywords.take(name, field);
    known += (known.empty() ? "" : ", ") + std::string(name);
  };
  take("precision_mode", params.precision_mode);
  take("max_workspace_size_bytes", params.max_workspace_size_bytes);
  take("minimum_segment_size", params.minimum_segment_size);
  take("maximum_cached_engines", params.maximum_cached_engines);
  take("use_calibration", params.use_calibration);
  take("is_dynamic_op", params.is_dynamic_op);
  take("max_batch_size", params.max_batch_size);
  take("use_dynamic_shape", params.use_dynamic_shape);
  take("profile_strategy", params.profile_strategy);
  take("allow_build_at_runtime", params.allow_build_at_runtime);
  take("nodes_denylist", params.nodes_denylist);
  take("op_denylist", params.op_denylist);
  take("max_engines", params.max_engines);
  take("calibrator", params.calibrator);
  take("percentile", params.percentile);
  take("strict_ranges", params.strict_ranges);
  take("remove_native_segments", params.remove_native_segments);
  take("graph_number", params.graph_number);
  keywords.finish(known);
  return params;
}

std::string_view text_of(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

GraphDefConversion convert(const nb::bytes& graph_def, const Names& outputs, const nb::kwargs& given) {
  const GraphDefParams params = params_from(given);
  const std::string_view text = text_of(graph_def);
  const nb::gil_scoped_release unlocked;
  return convert_graph_def(text, outputs, params);
}

GraphDefConversion build(const nb::bytes& graph_def, const Names& inputs, const Names& outputs, Source& batches,
                         const nb::kwargs& given) {
  const GraphDefParams params = params_from(given);
  const std::string_view text = text_of(graph_def);
  const nb::gil_scoped_release unlocked;
  return convert_and_build(text, inputs, outputs, *batches.batches, params);
}

}  // namespace

void bind_graph_def(nb::module_& m) {
  nb::class_<GraphDefEngine>(m, "GraphDefEngine", "An engine in a converted GraphDef.")
      .def_ro("name", &GraphDefEngine::name)
      .def_ro("nodes", &GraphDefEngine::nodes, "Nodes of its segment, constants not counted.")
      .def_prop_ro("inputs", [](const GraphDefEngine& engine) { return specs_from(engine.inputs); })
      .def_prop_ro("outputs", [](const GraphDefEngine& engine) { return specs_from(engine.outputs); })
      .def_ro("ops", &GraphDefEngine::ops, "How often each op occurs in the segment.")
      .def_ro("device", &GraphDefEngine::device)
      .def_ro("built", &GraphDefEngine::built, "Whether the engine is in the graph.");
  nb::class_<GraphDefConversion>(m, "GraphDefConversion", "A GraphDef with engines, and what became of its nodes.")
      .def_prop_ro(
          "graph_def",
          [](const GraphDefConversion& result) { return nb::bytes(result.graph_def.data(), result.graph_def.size()); })
      .def(
          "take_graph_def",
          [](GraphDefConversion& result) {
            const std::string taken = std::move(result.graph_def);
            result.graph_def.clear();
            return nb::bytes(taken.data(), taken.size());
          },
          "The graph, which the result then holds no more.")
      .def_ro("engines", &GraphDefConversion::engines)
      .def_ro("report_json", &GraphDefConversion::report_json)
      .def_ro("nodes_total", &GraphDefConversion::nodes_total)
      .def_ro("nodes_converted", &GraphDefConversion::nodes_converted)
      .def("report_text", &GraphDefConversion::report_text);
  m.def("convert_graph_def", &convert, "graph_def"_a, "outputs"_a, "params"_a,
        "Puts engines in place of what they can run. Keyword arguments are the fields of GraphDefParams.");
  m.def("convert_and_build_graph_def", &build, "graph_def"_a, "inputs"_a, "outputs"_a, "batches"_a, "params"_a,
        "The same with data: INT8 engines are calibrated, and engines are built into the graph unless is_dynamic_op.");
}

}  // namespace tfengine::python
