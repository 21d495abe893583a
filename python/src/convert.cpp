// SPDX-License-Identifier: Apache-2.0
#include "tfengine/convert.h"

#include <fmt/format.h>
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "data.h"
#include "engine.h"
#include "module.h"
#include "progress.h"
#include "tensors.h"
#include "tfengine/error.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

// Of a function of (outputs, batch), both dicts of name to array.
std::function<double(const std::vector<NamedTensor>&, const Batch&)> score_from(nb::object function) {
  if (function.is_none()) return {};
  // As in progress_from(): the object is shared, since copies may be made without the GIL.
  const std::shared_ptr<nb::object> shared(new nb::object(std::move(function)), [](nb::object* held) {
    const nb::gil_scoped_acquire gil;
    delete held;
  });
  return [shared](const std::vector<NamedTensor>& outputs, const Batch& batch) {
    const nb::gil_scoped_acquire gil;
    const nb::object result = (*shared)(dict_from(outputs), dict_from(batch));
    double score = 0.0;
    if (nb::try_cast(result, score)) return score;
    throw InvalidArgument(
        fmt::format("metric: the function gave {}, expected a number", nb::repr(nb::handle(result)).c_str()));
  };
}

EngineHandle run(const Model& model, const std::string& precision, const std::string& float_precision,
                 const Calibration* calibration, const nb::bytes& calibration_table, const std::string& calibrator,
                 double percentile, const std::string& int8_grid, const Names& nodes_denylist,
                 const std::vector<Dims>& input_shapes, int64_t batch_size, bool avoid_slow_int8, bool bias_correction,
                 bool strict_ranges, bool float_gates, bool per_channel_weights, const Names& measures,
                 const Source* samples, int64_t max_samples, bool explain, double target_share,
                 const Source* accuracy_data, int64_t accuracy_samples, const std::string& label,
                 const std::string& metric, nb::object score, const Names& disabled_passes, int threads,
                 uint64_t max_workspace_size_bytes, int maximum_cached_engines,
                 const std::filesystem::path& timing_cache, const std::string& backend,
                 std::optional<uint64_t> memory_limit_bytes, bool time_tactics,
                 std::optional<uint64_t> maximum_cached_bytes, const std::string& workspace,
                 std::shared_ptr<SharedWorkspace> shared_workspace, std::shared_ptr<SharedWeights> shared_weights,
                 const std::string& device, uint64_t memory_budget_bytes, const Names& allowed_precisions,
                 bool split_batch, nb::object progress) {
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
  options.float_gates = float_gates;
  options.per_channel_weights = per_channel_weights;
  options.measures = measures;
  options.samples = samples == nullptr ? nullptr : samples->batches.get();
  options.max_samples = max_samples;
  options.explain = explain;
  options.target.share = target_share;
  options.target.data = accuracy_data == nullptr ? nullptr : accuracy_data->batches.get();
  options.target.max_samples = accuracy_samples;
  options.target.label = label;
  options.target.metric = metric;
  options.target.score = score_from(std::move(score));
  options.disabled_passes = disabled_passes;
  options.memory_budget_bytes = memory_budget_bytes;
  options.allowed_precisions = allowed_precisions;
  options.split_batch = split_batch;
  options.engine = engine_options(threads, max_workspace_size_bytes, maximum_cached_engines, timing_cache, backend,
                                  memory_limit_bytes, time_tactics, maximum_cached_bytes, workspace,
                                  std::move(shared_workspace), std::move(shared_weights), device);
  options.progress = progress_from(std::move(progress));
  const nb::gil_scoped_release unlocked;
  return {convert(model, options)};
}

}  // namespace

void bind_convert(nb::module_& m) {
  m.def("convert", &run, "model"_a, "precision"_a, "float_precision"_a, "calibration"_a.none(), "calibration_table"_a,
        "calibrator"_a, "percentile"_a, "int8_grid"_a, "nodes_denylist"_a, "input_shapes"_a, "batch_size"_a,
        "avoid_slow_int8"_a, "bias_correction"_a, "strict_ranges"_a, "float_gates"_a, "per_channel_weights"_a,
        "measures"_a, "samples"_a.none(), "max_samples"_a, "explain"_a, "target_share"_a, "accuracy_data"_a.none(),
        "accuracy_samples"_a, "label"_a, "metric"_a, "score"_a.none(), "disabled_passes"_a, "threads"_a,
        "max_workspace_size_bytes"_a, "maximum_cached_engines"_a, "timing_cache"_a, "backend"_a,
        "memory_limit_bytes"_a.none(), "time_tactics"_a, "maximum_cached_bytes"_a.none(), "workspace"_a,
        "shared_workspace"_a.none(), "shared_weights"_a.none(), "device"_a, "memory_budget_bytes"_a,
        "allowed_precisions"_a, "split_batch"_a, "progress"_a.none());
}

}  // namespace tfengine::python
