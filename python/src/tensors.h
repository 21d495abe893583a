// SPDX-License-Identifier: Apache-2.0
// Arrays across the border, without copies: numpy in as views that keep the array alive, tensors out as numpy arrays
// that keep the tensor alive.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <utility>
#include <vector>

#include "tfengine/data.h"
#include "tfengine/model.h"
#include "tfengine/tensor.h"

namespace tfengine::python {

using Array = nanobind::ndarray<nanobind::ro, nanobind::c_contig, nanobind::device::cpu>;
// (name, array); an empty name goes by order.
using NamedArrays = std::vector<std::pair<std::string, Array>>;

std::vector<NamedTensor> tensors_from(const NamedArrays& arrays);
nanobind::dict dict_from(std::vector<NamedTensor> tensors);
// One of them as a numpy array.
nanobind::object array_from(NamedTensor named);
// Element types across the border. InvalidArgument naming the input or output where there is no counterpart.
DType dtype_of(const std::string& input, nanobind::dlpack::dtype theirs);
nanobind::dlpack::dtype dlpack_dtype(const std::string& output, DType ours);
// [(name, dtype name, dimensions with -1 for unknown, or None for unknown rank)]
nanobind::list specs_from(const std::vector<TensorSpec>& specs);
std::vector<Shape> shapes_from(const std::vector<std::vector<int64_t>>& dims);

}  // namespace tfengine::python
