// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <memory>

namespace nb = nanobind;

namespace tfengine::python {

Progress progress_from(nb::object callback) {
  if (callback.is_none()) return {};
  // std::function copies what it holds, and may do so without the GIL: so the object is shared, not copied.
  const std::shared_ptr<nb::object> shared(new nb::object(std::move(callback)), [](nb::object* held) {
    const nb::gil_scoped_acquire gil;
    delete held;
  });
  return [shared](const std::string& what, int64_t done, int64_t total) {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    (*shared)(nb::str(what.c_str()), done, total);
  };
}

}  // namespace tfengine::python
