// SPDX-License-Identifier: Apache-2.0
// The calibration tables that ONNX Runtime writes: JSON with the lowest and highest value of each tensor, a flatbuffer and a
// text with the larger of the two. Ours are symmetric: [low, high] is read as max(|low|, |high|).
#pragma once

#include <string>
#include <string_view>

#include "quantize/range_table.h"

namespace tfengine::quantize {

// `what` names the source in messages. InvalidModel when it is malformed. Entries are calibrated, with the origin "ONNX
// Runtime table".
RangeTable parse_onnx_runtime_json(std::string_view text, const std::string& what);
RangeTable parse_onnx_runtime_text(std::string_view text, const std::string& what);
RangeTable parse_onnx_runtime_flatbuffer(std::string_view bytes, const std::string& what);

std::string format_onnx_runtime_json(const RangeTable& table);
// InvalidArgument for a name with a line end.
std::string format_onnx_runtime_text(const RangeTable& table);
std::string format_onnx_runtime_flatbuffer(const RangeTable& table);

}  // namespace tfengine::quantize
