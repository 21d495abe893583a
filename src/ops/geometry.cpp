// SPDX-License-Identifier: Apache-2.0
#include "ops/geometry.h"

#include <algorithm>
#include <string>

#include "ops/infer_util.h"

namespace tfengine::ops {

namespace {

struct Axis {
  int64_t in, kernel, stride, dilation;
};

struct Span {
  int64_t out = -1, before = 0, after = 0;
};

// The rules of TensorFlow's GetWindowedOutputSizeVerbose.
Span windowed(const ir::Node& node, const std::string& padding, const Axis& axis, int64_t before, int64_t after) {
  const int64_t reach = (axis.kernel - 1) * axis.dilation + 1;
  if (padding == "SAME") {
    if (axis.in < 0) return {};
    const int64_t out = (axis.in + axis.stride - 1) / axis.stride;
    const int64_t total = std::max<int64_t>((out - 1) * axis.stride + reach - axis.in, 0);
    return {out, total / 2, total - total / 2};
  }
  if (axis.in < 0) return {-1, before, after};
  const int64_t slack = axis.in + before + after - reach;
  if (slack < -axis.stride) {
    bad_node(node, "the window of {} (dilation {}) is larger than the input of {}", axis.kernel, axis.dilation,
             axis.in);
  }
  return {slack < 0 ? 0 : slack / axis.stride + 1, before, after};
}

// The H and W entries of a four-element attribute in NHWC order whose N and C entries must be 1.
std::array<int64_t, 2> spatial_attr(const ir::Node& node, std::string_view key, bool required) {
  const std::vector<int64_t> list = ints_attr(node, key);
  if (list.empty() && !required) return {1, 1};
  if (list.size() != 4) bad_node(node, "attribute '{}' has {} entries, expected 4", key, list.size());
  if (list[0] != 1 || list[3] != 1) {
    bad_node(node, "attribute '{}' is [{}], expected 1 for batch and channels", key, fmt::join(list, ","));
  }
  // 2^20: far above any real window, and small enough that products stay exact.
  for (const int64_t entry : {list[1], list[2]}) {
    if (entry < 1 || entry > (1 << 20))
      bad_node(node, "attribute '{}' is [{}], expected positive entries", key, fmt::join(list, ","));
  }
  return {list[1], list[2]};
}

Window window(const ir::Node& node, int64_t in_h, int64_t in_w, std::array<int64_t, 2> kernel) {
  require_nhwc(node);
  const auto stride = spatial_attr(node, "strides", true);
  const auto dilation = spatial_attr(node, "dilations", false);
  const auto& padding = node.attr<std::string>("padding");
  std::vector<int64_t> pads(8, 0);
  if (padding == "EXPLICIT") {
    pads = ints_attr(node, "explicit_paddings");
    if (pads.size() != 8) bad_node(node, "explicit_paddings has {} entries, expected 8", pads.size());
    const auto bad = [](int64_t pad) { return pad < 0 || pad > (1 << 20); };
    if (std::any_of(pads.begin(), pads.end(), bad) || pads[0] != 0 || pads[1] != 0 || pads[6] != 0 || pads[7] != 0) {
      bad_node(node, "explicit_paddings is [{}], expected paddings of height and width only", fmt::join(pads, ","));
    }
  } else if (padding != "SAME" && padding != "VALID") {
    bad_node(node, "padding is '{}', expected SAME, VALID or EXPLICIT", padding);
  }
  const Span h = windowed(node, padding, {in_h, kernel[0], stride[0], dilation[0]}, pads[2], pads[3]);
  const Span w = windowed(node, padding, {in_w, kernel[1], stride[1], dilation[1]}, pads[4], pads[5]);
  Window result;
  result.kernel_h = kernel[0], result.kernel_w = kernel[1];
  result.stride_h = stride[0], result.stride_w = stride[1];
  result.dilation_h = dilation[0], result.dilation_w = dilation[1];
  result.pad_top = h.before, result.pad_bottom = h.after, result.pad_left = w.before, result.pad_right = w.after;
  result.out_h = h.out, result.out_w = w.out;
  return result;
}

// `width` numbers per dimension, from N, C, H, W to N, H, W, C.
void reorder(std::string_view node_name, std::string_view key, std::vector<int64_t>& list, size_t width) {
  if (list.empty()) return;
  if (list.size() != 4 * width) {
    fail<InvalidModel>("node '{}': attribute '{}' has {} numbers, expected {}", node_name, key, list.size(), 4 * width);
  }
  std::rotate(list.begin() + static_cast<long>(width), list.begin() + static_cast<long>(2 * width), list.end());
}

}  // namespace

void to_nhwc(std::string_view node_name, ir::Attrs& attrs) {
  attrs["data_format"] = std::string("NHWC");
  for (const char* key : {"strides", "dilations", "ksize", "explicit_paddings"}) {
    const auto found = attrs.find(key);
    if (found == attrs.end()) continue;
    if (auto* list = std::get_if<std::vector<int64_t>>(&found->second)) {
      reorder(node_name, key, *list, std::string_view(key) == "explicit_paddings" ? 2 : 1);
    }
  }
}

Window conv_window(const ir::Node& node, int64_t in_h, int64_t in_w, int64_t kernel_h, int64_t kernel_w) {
  if (kernel_h < 1 || kernel_w < 1)
    bad_node(node, "its filter is {} x {}, expected a positive size", kernel_h, kernel_w);
  return window(node, in_h, in_w, {kernel_h, kernel_w});
}

Window pool_window(const ir::Node& node, int64_t in_h, int64_t in_w) {
  return window(node, in_h, in_w, spatial_attr(node, "ksize", true));
}

}  // namespace tfengine::ops
