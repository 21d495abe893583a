// SPDX-License-Identifier: Apache-2.0
// DataFormatVecPermute and DataFormatDimMap: sizes, paddings and axes that were written for one order of a tensor's axes,
// for another. Graphs that were laid out anew by TensorFlow hold them.
#include <algorithm>
#include <string>

#include "ops/families.h"
#include "ops/infer_util.h"
#include "ops/numeric.h"

namespace tfengine::ops {

namespace {

struct Formats {
  std::string src, dst;
};

Formats formats_of(const ir::Node& node) {
  Formats formats{node.attr_or<std::string>("src_format", "NHWC"), node.attr_or<std::string>("dst_format", "NCHW")};
  std::string a = formats.src, b = formats.dst;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  if (a != b || a.size() < 4 || a.size() > 5 || std::unique(a.begin(), a.end()) != a.end()) {
    bad_node(node, "formats are '{}' and '{}', expected two orders of the same axes", formats.src, formats.dst);
  }
  return formats;
}

std::vector<TypeInfo> infer_permute(const InferContext& context) {
  require_inputs(context, 1);
  const Shape& shape = context.inputs[0].shape;
  if (!shape.ranked()) return {context.inputs[0]};
  const auto axes = static_cast<int64_t>(formats_of(context.node).src.size());
  const bool rows = shape.rank() == 1 || (shape.rank() == 2 && (shape[1] < 0 || shape[1] == 2));
  if (!rows || (shape[0] >= 0 && shape[0] != axes && shape[0] != axes - 2)) {
    bad_node(context.node, "its input has shape {}, expected {} or {} rows of one or two", shape.str(), axes, axes - 2);
  }
  return {context.inputs[0]};
}

// A vector without the batch and channel axes is permuted among the other axes.
std::vector<Tensor> evaluate_permute(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_permute, node, inputs);
  Formats formats = formats_of(node);
  const auto rows = static_cast<size_t>(inputs[0].shape()[0]);
  if (rows + 2 == formats.src.size()) {
    const auto keep_space = [](std::string& format) {
      format.erase(std::remove_if(format.begin(), format.end(), [](char c) { return c == 'N' || c == 'C'; }),
                   format.end());
    };
    keep_space(formats.src);
    keep_space(formats.dst);
  }
  const std::vector<int64_t> values = as_ints(inputs[0]);
  const size_t width = rows > 0 ? values.size() / rows : 0;
  std::vector<int64_t> out;
  for (const char axis : formats.dst) {
    const size_t from = formats.src.find(axis);
    out.insert(out.end(), values.begin() + static_cast<std::ptrdiff_t>(from * width),
               values.begin() + static_cast<std::ptrdiff_t>((from + 1) * width));
  }
  return {from_ints(inputs[0].dtype(), inputs[0].shape(), out)};
}

std::vector<Tensor> evaluate_dim_map(const ir::Node& node, std::span<const Tensor> inputs) {
  infer_exact(infer_same, node, inputs);
  const Formats formats = formats_of(node);
  std::vector<int64_t> axes = as_ints(inputs[0]);
  for (int64_t& axis : axes) {
    axis = static_cast<int64_t>(formats.dst.find(formats.src[normalize_axis(node, axis, formats.src.size())]));
  }
  return {from_ints(inputs[0].dtype(), inputs[0].shape(), axes)};
}

}  // namespace

std::vector<Op> data_format_ops() {
  return {
      {.name = "DataFormatVecPermute", .infer = infer_permute, .evaluate = evaluate_permute, .moves_elements = true},
      {.name = "DataFormatDimMap", .infer = infer_same, .evaluate = evaluate_dim_map},
  };
}

}  // namespace tfengine::ops
