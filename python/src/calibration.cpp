// SPDX-License-Identifier: Apache-2.0
#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "data.h"
#include "module.h"
#include "progress.h"
#include "range_row.h"
#include "tfengine/calibrate.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

Calibration run(const Model& model, Source& source, int threads, int64_t max_samples,
                const std::vector<std::string>& nodes_denylist, nb::object progress,
                const std::filesystem::path& checkpoint, int64_t checkpoint_samples, const std::string& device) {
  CalibrateOptions options;
  options.threads = threads;
  options.max_samples = max_samples;
  options.nodes_denylist = nodes_denylist;
  options.progress = progress_from(std::move(progress));
  options.checkpoint = checkpoint;
  options.checkpoint_samples = checkpoint_samples;
  options.device = device;
  const nb::gil_scoped_release unlocked;
  return calibrate(model, *source.batches, options);
}

nb::list ranges(const Calibration& calibration, const std::string& calibrator, double percentile) {
  std::vector<TensorRange> found;
  {
    const nb::gil_scoped_release unlocked;
    found = calibration.ranges(calibrator, percentile);
  }
  nb::list result;
  for (const TensorRange& range : found) result.append(range_row(range));
  return result;
}

nb::tuple sample(const SampleId& id) { return nb::make_tuple(id.index, id.fingerprint); }

nb::tuple checkup(const Calibration& calibration) {
  CalibrationCheckup found;
  {
    const nb::gil_scoped_release unlocked;
    found = calibration.checkup();
  }
  nb::list outliers, constant;
  for (const OutlierSample& outlier : found.outliers) {
    outliers.append(nb::make_tuple(sample(outlier.sample), outlier.tensor, outlier.peak, outlier.typical));
  }
  for (const SampleId& id : found.constant_samples) constant.append(sample(id));
  return nb::make_tuple(found.samples, found.enough_samples, outliers, constant, found.repeated_samples,
                        found.findings);
}

}  // namespace

void bind_calibration(nb::module_& m) {
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<Calibration>(m, "Calibration", "The histograms of every tensor that may become INT8.")
      .def_static("load", &Calibration::load, "path"_a, Unlocked())
      .def_static(
          "from_bytes",
          [](const nb::bytes& bytes) {
            return Calibration::from_bytes({bytes.c_str(), bytes.size()});
          },
          "bytes"_a)
      .def("save", &Calibration::save, "path"_a, Unlocked())
      .def("merge", &Calibration::merge, "other"_a, Unlocked())
      .def_prop_ro("samples", &Calibration::samples)
      .def("ranges", &ranges, "calibrator"_a, "percentile"_a,
           "[(tensor, max_abs, non_negative, source, low, high, origin)]")
      .def("table", &Calibration::table, "calibrator"_a, "percentile"_a, Unlocked())
      .def("channel_means",
           [](const Calibration& calibration) {
             const std::string means = calibration.channel_means();
             return nb::bytes(means.data(), means.size());
           })
      .def("checkup", &checkup, "(samples, enough, [(sample, tensor, peak, typical)], [sample], repeated, findings)")
      .def("warnings", &Calibration::warnings, Unlocked());
  m.def("calibrate", &run, "model"_a, "source"_a, "threads"_a, "max_samples"_a, "nodes_denylist"_a, "progress"_a.none(),
        "checkpoint"_a, "checkpoint_samples"_a, "device"_a);
}

}  // namespace tfengine::python
