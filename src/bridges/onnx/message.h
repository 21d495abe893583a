// SPDX-License-Identifier: Apache-2.0
// ONNX messages written: attributes, nodes, tensors, the model. Field numbers are those of onnx.proto3, IR version 7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/tensor.h"

namespace tfengine::bridges::onnx {

// AttributeProto messages.
std::string int_attr(std::string_view name, int64_t value);
std::string float_attr(std::string_view name, float value);
std::string string_attr(std::string_view name, std::string_view value);
std::string ints_attr(std::string_view name, const std::vector<int64_t>& values);

using Attrs = std::vector<std::string>;

// ONNX's number for the type. InvalidArgument naming `what` for one that it does not have.
int32_t data_type(DType dtype, std::string_view what);

// Collects the parts of a graph and writes the model.
class ModelWriter {
 public:
  explicit ModelWriter(std::string name) : name_(std::move(name)) {}

  void input(const std::string& name, DType dtype, const Shape& shape);
  void output(const std::string& name, DType dtype, const Shape& shape);
  void initializer(const std::string& name, const Tensor& tensor);
  void node(std::string_view op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
            const Attrs& attrs);
  // InvalidArgument when the model is larger than a protocol buffer can be.
  std::string model(int64_t opset) const;

 private:
  std::string name_;
  std::vector<std::string> inputs_, outputs_, initializers_, nodes_;  // messages
};

}  // namespace tfengine::bridges::onnx
