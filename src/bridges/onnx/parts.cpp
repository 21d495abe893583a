// SPDX-License-Identifier: Apache-2.0
// Nodes that take tensors apart: slices, splits, the largest elements. Axes are counted channels last.
#include <algorithm>
#include <limits>
#include <numeric>

#include "bridges/onnx/ops.h"

namespace tfengine::bridges::onnx {

namespace {

// ONNX clamps both to the axis.
constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();
constexpr int64_t kToBeginning = std::numeric_limits<int64_t>::lowest();

struct Slices {
  std::vector<int64_t> starts, ends, axes, steps;
  std::vector<int64_t> dropped;  // axes of the input, of which one element is taken
  std::vector<int64_t> added;    // axes of the result, of size 1

  void add(int64_t axis, int64_t start, int64_t end, int64_t step) {
    axes.push_back(axis);
    starts.push_back(start);
    ends.push_back(end);
    steps.push_back(step);
  }
};

bool bit(const ir::Node& node, const char* mask, size_t i) { return ((node.attr_or<int64_t>(mask, 0) >> i) & 1) != 0; }

// One axis of a StridedSlice whose specification's entry is `i`.
void add_axis(const NodeContext& context, size_t i, int64_t axis, int64_t begin, int64_t end, int64_t stride,
              Slices& slices) {
  if (bit(context.node, "shrink_axis_mask", i)) {
    slices.add(axis, begin, begin == -1 ? kToEnd : begin + 1, 1);
    slices.dropped.push_back(axis);
    return;
  }
  const int64_t first = stride > 0 ? 0 : kToEnd, last = stride > 0 ? kToEnd : kToBeginning;
  slices.add(axis, bit(context.node, "begin_mask", i) ? first : begin, bit(context.node, "end_mask", i) ? last : end,
             stride);
}

Slices strided(const NodeContext& context) {
  const std::vector<int64_t> begin = context.int_input(1), end = context.int_input(2), strides = context.int_input(3);
  const ir::Node& node = context.node;
  const size_t entries = begin.size();
  int64_t consumed = 0;
  for (size_t i = 0; i < entries; ++i) {
    consumed += !bit(node, "ellipsis_mask", i) && !bit(node, "new_axis_mask", i);
  }
  Slices slices;
  int64_t axis = 0, result = 0;
  for (size_t i = 0; i < entries; ++i) {
    if (bit(node, "ellipsis_mask", i)) {
      const int64_t skipped = static_cast<int64_t>(context.rank(0)) - consumed;
      axis += skipped;
      result += skipped;
    } else if (bit(node, "new_axis_mask", i)) {
      slices.added.push_back(result++);
    } else {
      add_axis(context, i, axis++, begin[i], end.at(i), strides.at(i), slices);
      result += !bit(node, "shrink_axis_mask", i);
    }
  }
  return slices;
}

Slices plain(const NodeContext& context) {
  const std::vector<int64_t> begin = context.int_input(1), size = context.int_input(2);
  Slices slices;
  for (size_t i = 0; i < begin.size(); ++i) {
    slices.add(static_cast<int64_t>(i), begin[i], size.at(i) < 0 ? kToEnd : begin[i] + size.at(i), 1);
  }
  return slices;
}

std::string sliced(const NodeContext& context, const Slices& slices) {
  Tensors& tensors = context.tensors;
  const auto list = [&](const char* name, const std::vector<int64_t>& values) {
    return tensors.ints(context.part(name), values);
  };
  std::string result = tensors.read(context.node.inputs[0]);
  if (!slices.axes.empty()) {
    result = tensors.append("Slice",
                            {result, list("starts", slices.starts), list("ends", slices.ends),
                             list("axes", slices.axes), list("steps", slices.steps)},
                            context.node.name);
  }
  if (!slices.dropped.empty()) {
    result = tensors.append("Squeeze", {result, list("dropped", slices.dropped)}, context.node.name);
  }
  if (!slices.added.empty()) {
    result = tensors.append("Unsqueeze", {result, list("added", slices.added)}, context.node.name);
  }
  return result;
}

std::vector<std::string> output_names(const NodeContext& context) {
  std::vector<std::string> names;
  for (const ir::ValueId id : context.node.outputs) names.push_back(context.graph.value(id).name);
  return names;
}

void set_all(const NodeContext& context, const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i) context.tensors.set(context.node.outputs[i], {names[i]});
}

// Split has the axis in front of its data, SplitV behind data and sizes.
void split(const NodeContext& context) {
  const bool equal = context.node.op == "Split";
  const int data = equal ? 1 : 0;
  const int64_t axis = context.int_input(equal ? 0 : 2).at(0);
  std::vector<std::string> inputs = {context.tensors.read(context.node.inputs[static_cast<size_t>(data)])};
  if (!equal) {
    std::vector<int64_t> sizes = context.int_input(1);
    const auto open = std::find(sizes.begin(), sizes.end(), -1);
    if (open != sizes.end()) {
      const Shape& shape = context.input(data).shape;
      const int64_t whole = shape.ranked() ? shape[context.axis(axis, data)] : -1;
      if (whole < 0) context.refuse("the size of the axis that it splits is not known");
      *open = whole - (std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) + 1);
    }
    inputs.push_back(context.tensors.ints(context.part("sizes"), sizes));
  }
  set_all(context, context.tensors.append_many("Split", inputs, output_names(context), {int_attr("axis", axis)}));
}

void unpack(const NodeContext& context) {
  const int64_t axis = context.node.attr_or<int64_t>("axis", 0);
  Tensors& tensors = context.tensors;
  const std::string data = tensors.read(context.node.inputs[0]);
  std::vector<std::string> pieces;
  for (size_t i = 0; i < context.node.outputs.size(); ++i) pieces.push_back(context.part("piece"));
  pieces = tensors.append_many("Split", {data}, pieces, {int_attr("axis", axis)});
  const std::string axes = tensors.ints(context.part("axes"), {axis});
  for (size_t i = 0; i < pieces.size(); ++i) {
    const ir::ValueId out = context.node.outputs[i];
    tensors.set(out, {tensors.append("Squeeze", {pieces[i], axes}, context.graph.value(out).name)});
  }
}

void top_k(const NodeContext& context) {
  const int64_t k = context.node.op == "TopKV2" ? context.int_input(1).at(0) : context.node.attr<int64_t>("k");
  Tensors& tensors = context.tensors;
  const std::vector<std::string> found =
      tensors.append_many("TopK", {tensors.read(context.node.inputs[0]), tensors.ints(context.part("k"), {k})},
                          output_names(context), {int_attr("axis", -1), int_attr("largest", 1), int_attr("sorted", 1)});
  tensors.set(context.node.outputs[0], {found[0]});
  if (context.node.outputs.size() < 2) return;
  const ir::Value& indices = context.graph.value(context.node.outputs[1]);
  const std::string name = tensors.append("Cast", {found[1]}, context.part("indices"),
                                          {int_attr("to", data_type(indices.dtype, context.node.name))});
  tensors.set(context.node.outputs[1], {name});
}

}  // namespace

bool write_parts(const NodeContext& context) {
  const std::string& op = context.node.op;
  if (op == "Slice" || op == "StridedSlice") {
    set_all(context, {sliced(context, op == "Slice" ? plain(context) : strided(context))});
  } else if (op == "Split" || op == "SplitV") {
    split(context);
  } else if (op == "Unpack") {
    unpack(context);
  } else if (op == "TopK" || op == "TopKV2") {
    top_k(context);
  } else {
    return false;
  }
  return true;
}

}  // namespace tfengine::bridges::onnx
