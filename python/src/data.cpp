// SPDX-License-Identifier: Apache-2.0
#include "data.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "module.h"
#include "tensors.h"
#include "tfengine/error.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

// Takes the GIL for each batch: calibration runs without it. `begin` gives an iterator over all batches, or None when
// they can be read once only and were.
class IteratorSource : public BatchSource {
 public:
  IteratorSource(nb::object begin, std::optional<int64_t> samples)
      : begin_(std::move(begin)), iterator_(begin_()), samples_(samples) {}
  ~IteratorSource() override {
    const nb::gil_scoped_acquire gil;
    iterator_.reset();
    begin_.reset();
  }

  bool next(Batch& batch) override {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    fresh_ = false;
    const nb::object item = nb::steal(PyIter_Next(iterator_.ptr()));
    if (!item.is_valid()) {
      if (PyErr_Occurred() != nullptr) throw nb::python_error();
      return false;
    }
    batch = tensors_from(nb::cast<NamedArrays>(item));
    return true;
  }
  void rewind() override {
    if (fresh_) return;
    const nb::gil_scoped_acquire gil;
    nb::object again = begin_();
    if (again.is_none()) {
      throw InvalidArgument("an iterator of batches cannot be read twice: give an array, a list of batches or a path");
    }
    iterator_ = std::move(again);
    fresh_ = true;
  }
  std::optional<int64_t> samples() const override { return samples_; }

 private:
  nb::object begin_, iterator_;
  bool fresh_ = true;
  std::optional<int64_t> samples_;
};

using Channels = std::array<float, 3>;

Source open(const std::filesystem::path& path, int64_t batch_size, int64_t limit, const std::string& feature,
            const std::string& label_feature, const std::string& decode, const std::string& feature_dtype,
            const std::vector<int64_t>& feature_shape, int64_t resize, std::pair<int64_t, int64_t> crop,
            const std::string& channel_order, const Channels& mean, const Channels& scale, bool keep_dtype) {
  DataOptions options;
  options.batch_size = batch_size;
  options.limit = limit;
  options.feature = feature;
  options.label_feature = label_feature;
  options.decode = decode;
  options.feature_dtype = dtype_from_name(feature_dtype);
  if (options.feature_dtype == DType::Invalid) {
    throw InvalidArgument("feature_dtype: '" + feature_dtype + "' is unknown, expected a name as numpy's");
  }
  options.feature_shape = Shape(feature_shape);
  options.resize = resize;
  options.crop_h = crop.first;
  options.crop_w = crop.second;
  options.channel_order = channel_order;
  options.mean = mean;
  options.scale = scale;
  options.keep_dtype = keep_dtype;
  return {open_data(path, options)};
}

nb::object next_batch(Source& source) {
  Batch batch;
  bool more = false;
  {
    const nb::gil_scoped_release unlocked;
    more = source.batches->next(batch);
  }
  return more ? nb::object(dict_from(std::move(batch))) : nb::none();
}

}  // namespace

void bind_data(nb::module_& m) {
  nb::class_<Source>(m, "Source", "Batches for calibration.")
      .def_static("open", &open, "path"_a, "batch_size"_a, "limit"_a, "feature"_a, "label_feature"_a, "decode"_a,
                  "feature_dtype"_a, "feature_shape"_a, "resize"_a, "crop"_a, "channel_order"_a, "mean"_a, "scale"_a,
                  "keep_dtype"_a, nb::call_guard<nb::gil_scoped_release>())
      .def_static(
          "of_iterator",
          [](nb::object begin, std::optional<int64_t> samples) {
            return Source{std::make_unique<IteratorSource>(std::move(begin), samples)};
          },
          "begin"_a, "samples"_a.none(), "Of a function that gives an iterator of [(name, array)] lists.")
      .def("next", &next_batch, "The next batch as {name: array}, or None at the end.")
      .def("rewind", [](Source& source) { source.batches->rewind(); })
      .def_prop_ro("samples", [](const Source& source) { return source.batches->samples(); });
}

}  // namespace tfengine::python
