// SPDX-License-Identifier: Apache-2.0
// The names of tensors while a graph is written: ONNX convolves channels first, the engine channels last, so a tensor may
// be there in both forms. The one that is missing is made when it is asked for.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "bridges/onnx/message.h"
#include "ir/graph.h"

namespace tfengine::bridges::onnx {

enum class Layout : uint8_t { ChannelsLast, ChannelsFirst };

// What a node made: its name, and the layout it has.
struct Written {
  std::string name;
  Layout layout = Layout::ChannelsLast;
};

class Tensors {
 public:
  Tensors(const ir::Graph& graph, ModelWriter& writer);

  // A name that nothing has yet.
  std::string fresh(std::string base);
  // Appends a node with one output, whose name is made of `name`, and returns that.
  std::string append(std::string_view op, const std::vector<std::string>& inputs, const std::string& name,
                     const Attrs& attrs = {});
  // The same for a node with several outputs.
  std::vector<std::string> append_many(std::string_view op, const std::vector<std::string>& inputs,
                                       std::vector<std::string> names, const Attrs& attrs = {});
  std::string constant(const std::string& name, const Tensor& tensor);
  std::string floats(const std::string& name, const Shape& shape, const std::vector<float>& values);
  std::string ints(const std::string& name, const std::vector<int64_t>& values);

  // A constant or a tensor that was written, in this layout; of rank 4 if that is ChannelsFirst.
  std::string read(ir::ValueId id, Layout layout = Layout::ChannelsLast);
  // The layout that costs nothing; constants and tensors of another rank are in the engine's.
  Layout layout_of(ir::ValueId id) const;
  void set(ir::ValueId id, const Written& written);
  // A constant with its axes in this order. Quantized ones are integers and a DequantizeLinear node with one scale, or one
  // for each index of `channel_axis` of the result.
  std::string permuted_constant(ir::ValueId id, const std::vector<size_t>& order, const Shape& shape,
                                int64_t channel_axis);

 private:
  struct Names {
    std::string last, first;
  };
  const ir::Graph& graph_;
  ModelWriter& writer_;
  std::set<std::string> used_;
  std::vector<Names> names_;  // by ValueId
};

// The elements of `tensor` with its axes in this order.
Tensor permuted(const Tensor& tensor, const std::vector<size_t>& order);

}  // namespace tfengine::bridges::onnx
