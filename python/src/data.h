// SPDX-License-Identifier: Apache-2.0
// Sources of batches that calibration can read: files, or a Python iterator.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <optional>

#include "tfengine/data.h"

namespace tfengine::python {

// An opened file or folder, or an iterator of [(name, array)] lists.
struct Source {
  std::unique_ptr<BatchSource> batches;
};

}  // namespace tfengine::python
