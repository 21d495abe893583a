// SPDX-License-Identifier: Apache-2.0
// A tensor's range as Python's TensorRange takes it apart.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "tfengine/calibrate.h"

namespace tfengine::python {

// (tensor, max_abs, non_negative, source, low, high, origin)
inline nanobind::tuple range_row(const TensorRange& range) {
  return nanobind::make_tuple(range.tensor, range.max_abs, range.non_negative, range.source, range.low, range.high,
                              range.origin);
}

}  // namespace tfengine::python
