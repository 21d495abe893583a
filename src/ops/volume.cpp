// SPDX-License-Identifier: Apache-2.0
#include "ops/volume.h"

#include <algorithm>
#include <string>

#include "ops/infer_util.h"

namespace tfengine::ops {

namespace {

std::array<int64_t, 3> volume_attr(const ir::Node& node, std::string_view key, bool required) {
  const std::vector<int64_t> list = ints_attr(node, key);
  if (list.empty() && !required) return {1, 1, 1};
  if (list.size() != 5 || list[0] != 1 || list[4] != 1) {
    bad_node(node, "attribute '{}' is [{}], expected 5 entries, 1 for batch and channels", key, fmt::join(list, ","));
  }
  for (size_t i = 1; i < 4; ++i) {
    if (list[i] < 1 || list[i] > (1 << 20))
      bad_node(node, "attribute '{}' is [{}], expected positive entries", key, fmt::join(list, ","));
  }
  return {list[1], list[2], list[3]};
}

}  // namespace

VolumeWindow volume_window(const ir::Node& node, const std::array<int64_t, 3>& in,
                           const std::array<int64_t, 3>& kernel) {
  const std::string format = node.attr_or<std::string>("data_format", "NDHWC");
  if (format != "NDHWC") bad_node(node, "data_format is {}, expected NDHWC", format);
  VolumeWindow w;
  w.kernel = kernel;
  w.stride = volume_attr(node, "strides", true);
  w.dilation = volume_attr(node, "dilations", false);
  const auto& padding = node.attr<std::string>("padding");
  if (padding != "SAME" && padding != "VALID") bad_node(node, "padding is '{}', expected SAME or VALID", padding);
  for (size_t i = 0; i < 3; ++i) {
    if (kernel[i] < 1) bad_node(node, "its window is {} along axis {}, expected a positive size", kernel[i], i + 1);
    const int64_t reach = (kernel[i] - 1) * w.dilation[i] + 1;
    w.pad_before[i] = 0;
    w.out[i] = -1;
    if (in[i] < 0) continue;
    if (padding == "SAME") {
      w.out[i] = (in[i] + w.stride[i] - 1) / w.stride[i];
      w.pad_before[i] = std::max<int64_t>((w.out[i] - 1) * w.stride[i] + reach - in[i], 0) / 2;
    } else {
      if (in[i] < reach - w.stride[i]) {
        bad_node(node, "the window of {} (dilation {}) is larger than the input of {}", kernel[i], w.dilation[i],
                 in[i]);
      }
      w.out[i] = in[i] < reach ? 0 : (in[i] - reach) / w.stride[i] + 1;
    }
  }
  return w;
}

}  // namespace tfengine::ops
