// SPDX-License-Identifier: Apache-2.0
// The parts of the extension module `tfengine._core`, each in the file of its name. The module is thin: arguments are
// brought into one form by the Python package, which is what users see.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tfengine::python {

using Names = std::vector<std::string>;
using Dims = std::vector<std::vector<int64_t>>;  // of several tensors

void bind_errors(nanobind::module_& m);
void bind_model(nanobind::module_& m);
void bind_data(nanobind::module_& m);
void bind_calibration(nanobind::module_& m);
void bind_table(nanobind::module_& m);
void bind_memory(nanobind::module_& m);
void bind_gpu(nanobind::module_& m);
void bind_engine(nanobind::module_& m);
void bind_convert(nanobind::module_& m);
void bind_tune(nanobind::module_& m);
void bind_graph_def(nanobind::module_& m);

}  // namespace tfengine::python
