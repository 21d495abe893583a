// SPDX-License-Identifier: Apache-2.0
#include "bridges/onnx/tensors.h"

#include <cstring>
#include <numeric>

#include "base/check.h"

namespace tfengine::bridges::onnx {

namespace {

const std::vector<int64_t> kToFirst = {0, 3, 1, 2}, kToLast = {0, 2, 3, 1};

Tensor reshaped(const Tensor& tensor, const Shape& shape) {
  check(shape.elements() == tensor.elements(), "{} elements as {}", tensor.elements(), shape.str());
  Tensor result(tensor.dtype(), shape);
  std::memcpy(result.mutable_data(), tensor.data(), tensor.bytes());
  return result;
}

}  // namespace

Tensor permuted(const Tensor& tensor, const std::vector<size_t>& order) {
  const size_t rank = tensor.shape().rank();
  std::vector<int64_t> strides(rank, 1), steps(rank);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * tensor.shape()[i];
  Shape shape = tensor.shape();
  for (size_t i = 0; i < rank; ++i) {
    shape[i] = tensor.shape()[order[i]];
    steps[i] = strides[order[i]];
  }
  Tensor result(tensor.dtype(), shape);
  const size_t bytes = dtype_bytes(tensor.dtype());
  const auto* from = static_cast<const char*>(tensor.data());
  auto* to = static_cast<char*>(result.mutable_data());
  std::vector<int64_t> index(rank, 0);
  int64_t offset = 0;
  for (int64_t i = 0; i < result.elements(); ++i) {
    std::memcpy(to + static_cast<size_t>(i) * bytes, from + static_cast<size_t>(offset) * bytes, bytes);
    for (size_t axis = rank; axis-- > 0;) {
      offset += steps[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= steps[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

Tensors::Tensors(const ir::Graph& graph, ModelWriter& writer)
    : graph_(graph), writer_(writer), names_(static_cast<size_t>(graph.value_count())) {
  for (const ir::ValueId id : graph.inputs) {
    names_[static_cast<size_t>(id)].last = graph.value(id).name;
    used_.insert(graph.value(id).name);
  }
  // Theirs are the names that users see.
  for (const ir::GraphOutput& out : graph.outputs) used_.insert(out.name);
}

std::string Tensors::fresh(std::string base) {
  std::string name = base;
  for (int i = 1; !used_.insert(name).second; ++i) name = fmt::format("{}_{}", base, i);
  return name;
}

std::string Tensors::append(std::string_view op, const std::vector<std::string>& inputs, const std::string& name,
                            const Attrs& attrs) {
  std::string output = fresh(name);
  writer_.node(op, inputs, {output}, attrs);
  return output;
}

std::vector<std::string> Tensors::append_many(std::string_view op, const std::vector<std::string>& inputs,
                                              std::vector<std::string> names, const Attrs& attrs) {
  for (std::string& name : names) name = fresh(name);
  writer_.node(op, inputs, names, attrs);
  return names;
}

std::string Tensors::constant(const std::string& name, const Tensor& tensor) {
  std::string used = fresh(name);
  writer_.initializer(used, tensor);
  return used;
}

std::string Tensors::floats(const std::string& name, const Shape& shape, const std::vector<float>& values) {
  return constant(name, Tensor::of<float>(DType::F32, shape, values));
}

std::string Tensors::ints(const std::string& name, const std::vector<int64_t>& values) {
  return constant(name, Tensor::of<int64_t>(DType::S64, Shape{static_cast<int64_t>(values.size())}, values));
}

std::string Tensors::read(ir::ValueId id, Layout layout) {
  Names& names = names_[static_cast<size_t>(id)];
  const ir::Value& value = graph_.value(id);
  if (names.last.empty() && names.first.empty()) {
    check(value.is_constant(), "tensor '{}' is read before it is written", value.name);
    std::vector<size_t> order(value.shape.rank());
    std::iota(order.begin(), order.end(), size_t{0});
    names.last = permuted_constant(id, order, value.constant.shape(), value.quant.axis);
  }
  const auto transposed = [&](const std::string& from, const std::vector<int64_t>& perm, const char* suffix) {
    return append("Transpose", {from}, value.name + suffix, {ints_attr("perm", perm)});
  };
  if (layout == Layout::ChannelsLast) {
    if (names.last.empty()) names.last = transposed(names.first, kToLast, "/channels_last");
    return names.last;
  }
  if (names.first.empty()) names.first = transposed(names.last, kToFirst, "/channels_first");
  return names.first;
}

Layout Tensors::layout_of(ir::ValueId id) const {
  return names_[static_cast<size_t>(id)].first.empty() ? Layout::ChannelsLast : Layout::ChannelsFirst;
}

void Tensors::set(ir::ValueId id, const Written& written) {
  Names& names = names_[static_cast<size_t>(id)];
  (written.layout == Layout::ChannelsLast ? names.last : names.first) = written.name;
}

std::string Tensors::permuted_constant(ir::ValueId id, const std::vector<size_t>& order, const Shape& shape,
                                       int64_t channel_axis) {
  const ir::Value& value = graph_.value(id);
  std::string name = constant(value.name, reshaped(permuted(value.constant, order), shape));
  if (!value.quant.defined()) return name;
  const std::vector<float>& scales = value.quant.scales;
  const bool per_channel = scales.size() > 1;
  const Shape one_or_more = per_channel ? Shape{static_cast<int64_t>(scales.size())} : Shape{};
  Tensor zeros(value.dtype, one_or_more);
  std::memset(zeros.mutable_data(), value.quant.zero_point, zeros.bytes());
  return append("DequantizeLinear",
                {name, floats(value.name + "/scale", one_or_more, scales), constant(value.name + "/zero_point", zeros)},
                value.name + "/dequantized", per_channel ? Attrs{int_attr("axis", channel_axis)} : Attrs{});
}

}  // namespace tfengine::bridges::onnx
