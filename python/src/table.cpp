// SPDX-License-Identifier: Apache-2.0
#include "tfengine/table.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>

#include "module.h"
#include "range_row.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

nb::list ranges(const RangeTable& table) {
  nb::list rows;
  for (const TensorRange& range : table.ranges()) rows.append(range_row(range));
  return rows;
}

nb::list diff(const RangeTable& table, const RangeTable& other, double tolerance) {
  nb::list rows;
  for (const TableDifference& found : table.diff(other, tolerance)) {
    rows.append(nb::make_tuple(found.tensor, found.first ? range_row(*found.first) : nb::none(),
                               found.second ? range_row(*found.second) : nb::none()));
  }
  return rows;
}

}  // namespace

void bind_table(nb::module_& m) {
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<RangeTable>(m, "RangeTable", "INT8 ranges by tensor.")
      .def(nb::init<>())
      .def_static("load", &RangeTable::load, "path"_a, Unlocked())
      .def_static(
          "from_bytes",
          [](const nb::bytes& bytes, const std::string& name) {
            return RangeTable::from_bytes({bytes.c_str(), bytes.size()}, name);
          },
          "bytes"_a, "name"_a)
      .def(
          "to_bytes",
          [](const RangeTable& table, const std::string& format, const std::string& calibrator) {
            const std::string bytes = table.to_bytes(format, calibrator);
            return nb::bytes(bytes.data(), bytes.size());
          },
          "format"_a, "calibrator"_a)
      .def("save", &RangeTable::save, "path"_a, "format"_a, "calibrator"_a, Unlocked())
      .def_prop_ro("format", &RangeTable::format)
      .def("ranges", &ranges, "[(tensor, max_abs, non_negative, source, low, high, origin)]")
      .def(
          "set",
          [](RangeTable& table, const std::string& tensor, float max_abs, bool non_negative, const std::string& source,
             float low, float high, const std::string& origin) {
            table.set({tensor, max_abs, non_negative, source, low, high, origin});
          },
          "tensor"_a, "max_abs"_a, "non_negative"_a, "source"_a, "low"_a, "high"_a, "origin"_a)
      .def("merge", &RangeTable::merge, "other"_a)
      .def("diff", &diff, "other"_a, "tolerance"_a, "[(tensor, row or None, row or None)]");
}

}  // namespace tfengine::python
