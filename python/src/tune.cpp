// SPDX-License-Identifier: Apache-2.0
#include "tfengine/tune.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "engine.h"
#include "module.h"
#include "progress.h"
#include "tensors.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

// As JSON and as SVG.
std::pair<std::string, std::string> run(const Model& model, const Names& precisions, const Calibration* calibration,
                                        const nb::bytes& calibration_table, const std::string& calibrator,
                                        double percentile, const Names& nodes_denylist,
                                        const std::vector<Dims>& input_shapes, int64_t batch_size, int threads,
                                        const std::filesystem::path& timing_cache, const std::string& backend,
                                        nb::object progress) {
  ConvertOptions options;
  options.allowed_precisions = precisions;
  options.calibration = calibration;
  options.calibration_table.assign(calibration_table.c_str(), calibration_table.size());
  options.calibrator = calibrator;
  options.percentile = percentile;
  options.nodes_denylist = nodes_denylist;
  for (const Dims& set : input_shapes) options.input_shapes.push_back(shapes_from(set));
  options.batch_size = batch_size;
  options.engine.threads = threads;
  options.engine.timing_cache = timing_cache;
  options.engine.backend = backend;
  options.progress = progress_from(std::move(progress));
  const nb::gil_scoped_release unlocked;
  const MemorySweep sweep = memory_sweep(model, options);
  return {sweep.to_json(), sweep.to_svg()};
}

}  // namespace

void bind_tune(nb::module_& m) {
  m.def("memory_sweep", &run, "model"_a, "precisions"_a, "calibration"_a.none(), "calibration_table"_a, "calibrator"_a,
        "percentile"_a, "nodes_denylist"_a, "input_shapes"_a, "batch_size"_a, "threads"_a, "timing_cache"_a,
        "backend"_a, "progress"_a.none());
}

}  // namespace tfengine::python
