// SPDX-License-Identifier: Apache-2.0
#include "tfengine/model.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "module.h"
#include "tensors.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

Model load(const std::filesystem::path& path, const Names& inputs, const Names& outputs, const Names& tags,
           const std::string& signature_key) {
  LoadOptions options;
  options.inputs = inputs;
  options.outputs = outputs;
  if (!tags.empty()) options.tags = tags;
  if (!signature_key.empty()) options.signature_key = signature_key;
  return Model::load(path, options);
}

}  // namespace

void bind_model(nb::module_& m) {
  nb::class_<Model>(m, "Model", "A frozen GraphDef or SavedModel, read.")
      .def_static("load", &load, "path"_a, "inputs"_a, "outputs"_a, "tags"_a, "signature_key"_a,
                  nb::call_guard<nb::gil_scoped_release>(), "Empty lists and strings stand for the defaults.")
      .def_prop_ro("inputs", [](const Model& model) { return specs_from(model.inputs()); })
      .def_prop_ro("outputs", [](const Model& model) { return specs_from(model.outputs()); })
      .def("ops", &Model::ops, "(op, count), sorted by op.")
      .def_prop_ro("constant_bytes", &Model::constant_bytes)
      .def("dump", &Model::dump, "after"_a, nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace tfengine::python
