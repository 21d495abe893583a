// SPDX-License-Identifier: Apache-2.0
#include "tfengine/convert.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
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

using Names = std::vector<std::string>;
using Dims = std::vector<std::vector<int64_t>>;

EngineHandle run(const Model& model, const std::string& precision, const std::string& float_precision,
                 const Calibration* calibration, const nb::bytes& calibration_table, const std::string& calibrator,
                 double percentile, const std::string& int8_grid, const Names& nodes_denylist,
                 const std::vector<Dims>& input_shapes, int64_t batch_size, bool avoid_slow_int8, bool bias_correction,
                 bool strict_ranges, const Names& disabled_passes, int threads, uint64_t max_workspace_size_bytes,
                 int maximum_cached_engines, const std::filesystem::path& timing_cache, const std::string& backend,
                 std::optional<uint64_t> memory_limit_bytes, bool time_tactics, nb::object progress) {
  std::shared_ptr<SystemAllocator> allocator;
  ConvertOptions options;
  options.precision = precision;
  options.float_precision = float_precision;
  options.calibration = calibration;
  options.calibration_table.assign(calibration_table.c_str(), calibration_table.size());
  options.calibrator = calibrator;
  options.percentile = percentile;
  options.int8_grid = int8_grid;
  options.nodes_denylist = nodes_denylist;
  for (const Dims& set : input_shapes) options.input_shapes.push_back(shapes_from(set));
  options.batch_size = batch_size;
  options.avoid_slow_int8 = avoid_slow_int8;
  options.bias_correction = bias_correction;
  options.strict_ranges = strict_ranges;
  options.disabled_passes = disabled_passes;
  options.engine = engine_options(threads, max_workspace_size_bytes, maximum_cached_engines, timing_cache, backend,
                                  memory_limit_bytes, time_tactics, allocator);
  options.progress = progress_from(std::move(progress));
  const nb::gil_scoped_release unlocked;
  Engine engine = convert(model, options);
  return {std::move(allocator), std::move(engine)};
}

}  // namespace

void bind_convert(nb::module_& m) {
  m.def("convert", &run, "model"_a, "precision"_a, "float_precision"_a, "calibration"_a.none(), "calibration_table"_a,
        "calibrator"_a, "percentile"_a, "int8_grid"_a, "nodes_denylist"_a, "input_shapes"_a, "batch_size"_a,
        "avoid_slow_int8"_a, "bias_correction"_a, "strict_ranges"_a, "disabled_passes"_a, "threads"_a,
        "max_workspace_size_bytes"_a, "maximum_cached_engines"_a, "timing_cache"_a, "backend"_a,
        "memory_limit_bytes"_a.none(), "time_tactics"_a, "progress"_a.none());
}

}  // namespace tfengine::python
