// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "memory.h"
#include "module.h"
#include "tensors.h"
#include "tfengine/error.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

EngineOptions engine_options(int threads, std::optional<uint64_t> max_workspace_size_bytes, int maximum_cached_engines,
                             const std::filesystem::path& timing_cache, const std::string& backend,
                             std::optional<uint64_t> memory_limit_bytes, bool time_tactics,
                             std::optional<uint64_t> maximum_cached_bytes, const std::string& workspace,
                             std::shared_ptr<SharedWorkspace> shared_workspace,
                             std::shared_ptr<SharedWeights> shared_weights, const std::string& device) {
  EngineOptions options;
  options.threads = threads;
  options.max_workspace_size_bytes = max_workspace_size_bytes;
  options.maximum_cached_engines = maximum_cached_engines;
  options.maximum_cached_bytes = maximum_cached_bytes.value_or(UINT64_MAX);
  options.timing_cache = timing_cache;
  options.backend = backend;
  options.time_tactics = time_tactics;
  options.memory_limit_bytes = memory_limit_bytes.value_or(UINT64_MAX);
  if (workspace != "kept" && workspace != "running") {
    throw InvalidArgument("workspace: got '" + workspace + "', expected \"kept\", \"running\" or a SharedWorkspace");
  }
  options.workspace = workspace == "kept" ? WorkspaceUse::Kept : WorkspaceUse::WhileRunning;
  options.shared_workspace = std::move(shared_workspace);
  options.shared_weights = std::move(shared_weights);
  options.device = device;
  return options;
}

namespace {

EngineHandle load(const std::filesystem::path& path, int threads, std::optional<uint64_t> max_workspace_size_bytes,
                  int maximum_cached_engines, const std::filesystem::path& timing_cache, const std::string& backend,
                  std::optional<uint64_t> memory_limit_bytes, bool time_tactics,
                  std::optional<uint64_t> maximum_cached_bytes, const std::string& workspace,
                  std::shared_ptr<SharedWorkspace> shared_workspace, std::shared_ptr<SharedWeights> shared_weights,
                  const std::string& device) {
  const EngineOptions options = engine_options(
      threads, max_workspace_size_bytes, maximum_cached_engines, timing_cache, backend, memory_limit_bytes,
      time_tactics, maximum_cached_bytes, workspace, std::move(shared_workspace), std::move(shared_weights), device);
  return {Engine::load(path, options)};
}

nb::dict run(const EngineHandle& handle, const NamedArrays& arrays) {
  const std::vector<NamedTensor> inputs = tensors_from(arrays);
  std::vector<NamedTensor> outputs;
  {
    const nb::gil_scoped_release unlocked;
    outputs = handle.engine.run(inputs);
  }
  return dict_from(std::move(outputs));
}

nb::list profile(const EngineHandle& handle, const NamedArrays& arrays, int runs) {
  const std::vector<NamedTensor> inputs = tensors_from(arrays);
  std::vector<LayerProfile> layers;
  {
    const nb::gil_scoped_release unlocked;
    layers = handle.engine.profile(inputs, runs);
  }
  nb::list result;
  for (const LayerProfile& layer : layers) {
    nb::dict row;
    row["name"] = layer.name;
    row["op"] = layer.op;
    row["precision"] = layer.precision;
    row["backend"] = layer.backend;
    row["tactic"] = layer.tactic;
    row["time_us"] = layer.time_us;
    row["output_shape"] = layer.output_shape;
    result.append(row);
  }
  return result;
}

}  // namespace

void bind_engine(nb::module_& m) {
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<EngineHandle>(m, "Engine", "A converted model that runs.")
      .def_static("load", &load, "path"_a, "threads"_a, "max_workspace_size_bytes"_a.none(), "maximum_cached_engines"_a,
                  "timing_cache"_a, "backend"_a, "memory_limit_bytes"_a.none(), "time_tactics"_a,
                  "maximum_cached_bytes"_a.none(), "workspace"_a, "shared_workspace"_a.none(),
                  "shared_weights"_a.none(), "device"_a, Unlocked())
      .def("to_onnx",
           [](const EngineHandle& self) {
             const std::string model = self.engine.to_onnx();
             return nb::bytes(model.data(), model.size());
           })
      .def("to_tensorflow",
           [](const EngineHandle& self) {
             const std::string graph = self.engine.to_tensorflow();
             return nb::bytes(graph.data(), graph.size());
           })
      .def(
          "save", [](const EngineHandle& self, const std::filesystem::path& path) { self.engine.save(path); }, "path"_a,
          Unlocked())
      .def_prop_ro("inputs", [](const EngineHandle& self) { return specs_from(self.engine.inputs()); })
      .def_prop_ro("outputs", [](const EngineHandle& self) { return specs_from(self.engine.outputs()); })
      .def("run", &run, "inputs"_a)
      .def(
          "prepare", [](const EngineHandle& self, const Dims& shapes) { self.engine.prepare(shapes_from(shapes)); },
          "input_shapes"_a, Unlocked())
      .def(
          "memory", [](const EngineHandle& self, const Dims& shapes) { return memory_of(self.engine, shapes); },
          "input_shapes"_a)
      .def(
          "memory_timeline",
          [](const EngineHandle& self, const Dims& shapes, const std::string& title) {
            return memory_timeline_svg(self.engine.memory_details(shapes_from(shapes)), title);
          },
          "input_shapes"_a, "title"_a)
      .def(
          "release_memory", [](const EngineHandle& self) { self.engine.release_memory(); }, Unlocked())
      .def("profile", &profile, "inputs"_a, "runs"_a)
      .def_prop_ro("precision", [](const EngineHandle& self) { return self.engine.precision(); })
      .def_prop_ro("device", [](const EngineHandle& self) { return self.engine.device(); })
      .def_prop_ro("threads", [](const EngineHandle& self) { return self.engine.threads(); })
      .def("report_json", [](const EngineHandle& self) { return self.engine.report_json(); })
      .def("notices", [](const EngineHandle& self) { return self.engine.notices(); })
      .def("dump", [](const EngineHandle& self) { return self.engine.dump(); });
}

}  // namespace tfengine::python
