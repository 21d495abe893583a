// SPDX-License-Identifier: Apache-2.0
#include "bridges/onnx/message.h"

#include "base/check.h"
#include "tfgraph/message.h"

namespace tfengine::bridges::onnx {

namespace {

using tfgraph::kMaxMessageBytes;
using tfgraph::message;
using tfgraph::Writer;

constexpr int64_t kIrVersion = 7;  // the first that opset 13 goes with

// AttributeProto.AttributeType.
enum AttrType : int32_t { kFloat = 1, kInt = 2, kString = 3, kInts = 7 };

void add_text(Writer& proto, uint32_t field, std::string_view text) {
  proto.add_bytes(field, text.data(), text.size());
}

template <typename F>
std::string attribute(std::string_view name, AttrType type, F&& fill) {
  return message([&](Writer& proto) {
    add_text(proto, 1, name);
    fill(proto);
    proto.add_enum(20, type);
  });
}

// Unknown dimensions have names: the first one of a tensor, which is the batch, the same everywhere.
std::string shape_message(const std::string& tensor, const Shape& shape) {
  return message([&](Writer& proto) {
    for (size_t i = 0; i < shape.rank(); ++i) {
      proto.add_message(1, message([&](Writer& dim) {
                          if (shape[i] >= 0) return dim.add_int64(1, shape[i]);
                          add_text(dim, 2, i == 0 ? "batch" : fmt::format("{}_{}", tensor, i));
                        }));
    }
  });
}

std::string value_info(const std::string& name, DType dtype, const Shape& shape) {
  return message([&](Writer& proto) {
    add_text(proto, 1, name);
    proto.add_message(2, message([&](Writer& type) {
                        type.add_message(1, message([&](Writer& tensor) {
                                           tensor.add_int32(1, data_type(dtype, name));
                                           if (shape.ranked()) tensor.add_message(2, shape_message(name, shape));
                                         }));
                      }));
  });
}

}  // namespace

std::string int_attr(std::string_view name, int64_t value) {
  return attribute(name, kInt, [&](Writer& proto) { proto.add_int64(3, value); });
}
std::string float_attr(std::string_view name, float value) {
  return attribute(name, kFloat, [&](Writer& proto) { proto.add_float(2, value); });
}
std::string string_attr(std::string_view name, std::string_view value) {
  return attribute(name, kString, [&](Writer& proto) { add_text(proto, 4, value); });
}
std::string ints_attr(std::string_view name, const std::vector<int64_t>& values) {
  return attribute(name, kInts, [&](Writer& proto) { proto.add_packed_int64(8, values.begin(), values.end()); });
}

int32_t data_type(DType dtype, std::string_view what) {
  switch (dtype) {
    case DType::F32:
      return 1;
    case DType::U8:
      return 2;
    case DType::S8:
      return 3;
    case DType::S32:
      return 6;
    case DType::S64:
      return 7;
    case DType::Bool:
      return 9;
    case DType::F64:
      return 11;
    default:
      fail<InvalidArgument>("[export] tensor '{}' is {}, which the writer of ONNX does not have", what,
                            dtype_name(dtype));
  }
}

void ModelWriter::input(const std::string& name, DType dtype, const Shape& shape) {
  inputs_.push_back(value_info(name, dtype, shape));
}

void ModelWriter::output(const std::string& name, DType dtype, const Shape& shape) {
  outputs_.push_back(value_info(name, dtype, shape));
}

void ModelWriter::initializer(const std::string& name, const Tensor& tensor) {
  initializers_.push_back(message([&](Writer& proto) {
    const auto& dims = tensor.shape().dims();
    if (!dims.empty()) proto.add_packed_int64(1, dims.begin(), dims.end());
    proto.add_int32(2, data_type(tensor.dtype(), name));
    add_text(proto, 8, name);
    add_text(proto, 9, {static_cast<const char*>(tensor.data()), tensor.bytes()});
  }));
}

void ModelWriter::node(std::string_view op, const std::vector<std::string>& inputs,
                       const std::vector<std::string>& outputs, const Attrs& attrs) {
  nodes_.push_back(message([&](Writer& proto) {
    for (const std::string& name : inputs) add_text(proto, 1, name);
    for (const std::string& name : outputs) add_text(proto, 2, name);
    add_text(proto, 3, outputs.at(0));
    add_text(proto, 4, op);
    for (const std::string& attr : attrs) proto.add_message(5, attr);
  }));
}

std::string ModelWriter::model(int64_t opset) const {
  size_t bytes = 0;
  for (const auto* part : {&inputs_, &outputs_, &initializers_, &nodes_}) {
    for (const std::string& text : *part) bytes += text.size() + 16;
  }
  if (bytes > kMaxMessageBytes) {
    fail<InvalidArgument>(
        "[export] the model would have {} bytes, expected at most {}, which is what protocol buffers can "
        "hold",
        bytes, kMaxMessageBytes);
  }
  const std::string graph = message([&](Writer& proto) {
    for (const std::string& text : nodes_) proto.add_message(1, text);
    add_text(proto, 2, name_);
    for (const std::string& text : initializers_) proto.add_message(5, text);
    for (const std::string& text : inputs_) proto.add_message(11, text);
    for (const std::string& text : outputs_) proto.add_message(12, text);
  });
  return message([&](Writer& proto) {
    proto.add_int64(1, kIrVersion);
    add_text(proto, 2, "tfengine");
    proto.add_message(7, graph);
    proto.add_message(8, message([&](Writer& import) {
                        add_text(import, 1, "");
                        import.add_int64(2, opset);
                      }));
  });
}

}  // namespace tfengine::bridges::onnx
