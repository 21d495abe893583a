// SPDX-License-Identifier: Apache-2.0
#include "tensors.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>

#include "tfengine/error.h"

namespace nb = nanobind;

namespace tfengine::python {

namespace {

struct Row {
  DType ours;
  nb::dlpack::dtype theirs;
};

constexpr uint8_t code(nb::dlpack::dtype_code value) { return static_cast<uint8_t>(value); }

constexpr std::array<Row, 13> kTypes = {{
    {DType::F32, {code(nb::dlpack::dtype_code::Float), 32, 1}},
    {DType::F16, {code(nb::dlpack::dtype_code::Float), 16, 1}},
    {DType::F64, {code(nb::dlpack::dtype_code::Float), 64, 1}},
    {DType::S8, {code(nb::dlpack::dtype_code::Int), 8, 1}},
    {DType::S16, {code(nb::dlpack::dtype_code::Int), 16, 1}},
    {DType::S32, {code(nb::dlpack::dtype_code::Int), 32, 1}},
    {DType::S64, {code(nb::dlpack::dtype_code::Int), 64, 1}},
    {DType::U8, {code(nb::dlpack::dtype_code::UInt), 8, 1}},
    {DType::U16, {code(nb::dlpack::dtype_code::UInt), 16, 1}},
    {DType::U32, {code(nb::dlpack::dtype_code::UInt), 32, 1}},
    {DType::U64, {code(nb::dlpack::dtype_code::UInt), 64, 1}},
    {DType::Bool, {code(nb::dlpack::dtype_code::Bool), 8, 1}},
    {DType::C64, {code(nb::dlpack::dtype_code::Complex), 64, 1}},
}};

// The last owner may let go on a thread that does not hold the GIL.
std::shared_ptr<const void> keeper(const Array& array) {
  return std::shared_ptr<const Array>(new Array(array), [](const Array* held) {
    const nb::gil_scoped_acquire gil;
    delete held;
  });
}

Tensor tensor_from(const std::string& name, const Array& array) {
  std::vector<int64_t> dims(array.ndim());
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = static_cast<int64_t>(array.shape(i));
  return {dtype_of(name, array.dtype()), Shape(std::move(dims)), array.data(), keeper(array)};
}

}  // namespace

DType dtype_of(const std::string& input, nb::dlpack::dtype theirs) {
  for (const Row& row : kTypes) {
    if (row.theirs == theirs) return row.ours;
  }
  throw InvalidArgument("input '" + input + "': the array's dtype is none that tensors have");
}

nb::dlpack::dtype dlpack_dtype(const std::string& output, DType ours) {
  for (const Row& row : kTypes) {
    if (row.ours == ours) return row.theirs;
  }
  throw InvalidArgument("output '" + output + "': numpy has no " + std::string(dtype_name(ours)));
}

nb::object array_from(NamedTensor named) {
  const nb::dlpack::dtype dtype = dlpack_dtype(named.name, named.tensor.dtype());
  auto* held = new Tensor(std::move(named.tensor));
  const nb::capsule owner(held, [](void* pointer) noexcept { delete static_cast<Tensor*>(pointer); });
  std::vector<size_t> dims(held->shape().begin(), held->shape().end());
  // The cast drops const: tensors handed out here have no other owner that looks at them.
  return nb::cast(
      nb::ndarray<nb::numpy>(const_cast<void*>(held->data()), dims.size(), dims.data(), owner, nullptr, dtype));
}

std::vector<NamedTensor> tensors_from(const NamedArrays& arrays) {
  std::vector<NamedTensor> tensors;
  tensors.reserve(arrays.size());
  for (const auto& [name, array] : arrays) tensors.push_back({name, tensor_from(name, array)});
  return tensors;
}

nb::dict dict_from(std::vector<NamedTensor> tensors) {
  nb::dict result;
  for (NamedTensor& named : tensors) {
    const nb::str name(named.name.c_str());
    result[name] = array_from(std::move(named));
  }
  return result;
}

nb::list specs_from(const std::vector<TensorSpec>& specs) {
  nb::list result;
  for (const TensorSpec& spec : specs) {
    const nb::object dims = spec.shape.ranked() ? nb::cast(spec.shape.dims()) : nb::none();
    result.append(nb::make_tuple(spec.name, std::string(dtype_name(spec.dtype)), dims));
  }
  return result;
}

std::vector<Shape> shapes_from(const std::vector<std::vector<int64_t>>& dims) {
  std::vector<Shape> shapes;
  shapes.reserve(dims.size());
  for (const std::vector<int64_t>& one : dims) shapes.emplace_back(one);
  return shapes;
}

}  // namespace tfengine::python
