// SPDX-License-Identifier: Apache-2.0
#include "compiler/inputs.h"

#include <algorithm>

#include "base/check.h"

namespace tfengine::detail {

namespace {

// "x:0" is the same tensor as "x".
std::string_view bare(std::string_view name) { return name.ends_with(":0") ? name.substr(0, name.size() - 2) : name; }

std::string input_names(const ir::Graph& graph) {
  std::string names;
  for (const ir::ValueId id : graph.inputs) names += (names.empty() ? "'" : ", '") + graph.value(id).name + "'";
  return names;
}

template <typename From>
Tensor widened(const Tensor& tensor) {
  Tensor result(DType::F32, tensor.shape());
  std::transform(tensor.as<From>(), tensor.as<From>() + tensor.elements(), result.mutable_as<float>(),
                 [](From value) { return static_cast<float>(value); });
  return result;
}

[[noreturn]] void fail_dtype(const std::string& name, DType got, DType wanted) {
  fail<InvalidArgument>("input '{}': got {}, expected {}", name, dtype_name(got), dtype_name(wanted));
}

Tensor as_dtype(const Tensor& tensor, DType wanted, const std::string& name) {
  if (tensor.dtype() == wanted) return tensor;
  if (wanted == DType::F32 && tensor.dtype() == DType::F64) return widened<double>(tensor);
  if (wanted == DType::F32 && tensor.dtype() == DType::U8) return widened<uint8_t>(tensor);
  if (wanted == DType::F32 && tensor.dtype() == DType::S8) return widened<int8_t>(tensor);
  fail_dtype(name, tensor.dtype(), wanted);
}

void check_shape(const ir::Value& value, const Shape& got) {
  if (!value.shape.ranked()) return;
  bool fits = got.rank() == value.shape.rank();
  for (size_t i = 0; fits && i < got.rank(); ++i) fits = value.shape[i] < 0 || value.shape[i] == got[i];
  if (!fits) fail<InvalidArgument>("input '{}': got shape {}, expected {}", value.name, got.str(), value.shape.str());
}

}  // namespace

namespace {

// By the graph's inputs. InvalidArgument for one that is unknown, missing or given twice.
std::vector<const Tensor*> match_inputs(const ir::Graph& graph, const std::vector<NamedTensor>& tensors,
                                        bool ignore_others) {
  std::vector<const Tensor*> found(graph.inputs.size(), nullptr);
  size_t next = 0;
  for (const NamedTensor& given : tensors) {
    size_t index = 0;
    if (given.name.empty()) {
      index = next++;
    } else {
      const auto match = std::find_if(graph.inputs.begin(), graph.inputs.end(),
                                      [&](ir::ValueId id) { return bare(graph.value(id).name) == bare(given.name); });
      index = static_cast<size_t>(match - graph.inputs.begin());
    }
    if (index >= found.size()) {
      if (ignore_others) continue;
      fail<InvalidArgument>("input '{}' does not exist; the engine has {}",
                            given.name.empty() ? fmt::format("number {}", index + 1) : given.name, input_names(graph));
    }
    if (found[index] != nullptr)
      fail<InvalidArgument>("input '{}' is given twice", graph.value(graph.inputs[index]).name);
    found[index] = &given.tensor;
  }
  // Data files name their arrays as they like: with one input and one array there is no doubt.
  if (ignore_others && found.size() == 1 && found[0] == nullptr && !tensors.empty()) found[0] = &tensors[0].tensor;
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] == nullptr) {
      fail<InvalidArgument>("input '{}' is missing; the engine has {}", graph.value(graph.inputs[i]).name,
                            input_names(graph));
    }
  }
  return found;
}

void bind(const ir::Value& value, Tensor tensor, BoundInputs& bound) {
  check_shape(value, tensor.shape());
  bound.shapes.push_back(tensor.shape());
  bound.addresses.push_back(tensor.data());
  bound.keep.push_back(std::move(tensor));
}

}  // namespace

BoundInputs bind_inputs(const ir::Graph& graph, const std::vector<NamedTensor>& tensors, bool ignore_others) {
  const std::vector<const Tensor*> found = match_inputs(graph, tensors, ignore_others);
  BoundInputs bound;
  for (size_t i = 0; i < found.size(); ++i) {
    const ir::Value& value = graph.value(graph.inputs[i]);
    bind(value, as_dtype(*found[i], value.dtype, value.name), bound);
  }
  return bound;
}

BoundInputs bind_device_inputs(const ir::Graph& graph, const std::vector<NamedTensor>& tensors) {
  const std::vector<const Tensor*> found = match_inputs(graph, tensors, false);
  BoundInputs bound;
  for (size_t i = 0; i < found.size(); ++i) {
    const ir::Value& value = graph.value(graph.inputs[i]);
    if (found[i]->dtype() != value.dtype) fail_dtype(value.name, found[i]->dtype(), value.dtype);
    bind(value, *found[i], bound);
  }
  return bound;
}

}  // namespace tfengine::detail
