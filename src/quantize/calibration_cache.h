// SPDX-License-Identifier: Apache-2.0
// TensorRT's calibration cache: "TRT-<version>-<algorithm>", then "<tensor>: <scale as 8 hex digits>" a line, where the
// digits are the float's bits and scale = max_abs / 127. It has no checksum and no model hash, so names are what there
// is to check against the graph.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quantize/range_table.h"

namespace tfengine::quantize {

struct CalibrationCache {
  std::string version;    // "8600"; empty in very old caches
  std::string algorithm;  // "EntropyCalibration2"; empty in very old caches
  RangeTable table;       // calibrated, origin "calibration cache"
};

// `what` names the source in messages. InvalidModel naming the line when it is malformed.
CalibrationCache parse_calibration_cache(std::string_view text, const std::string& what);
// The algorithm follows from the calibrator: MinMaxCalibration for minmax, EntropyCalibration for entropy1,
// LegacyCalibration for legacy, EntropyCalibration2 for all others, since
// TensorRT refuses a table of another algorithm than it would run. InvalidArgument for a name with a line end.
std::string format_calibration_cache(const RangeTable& table, std::string_view calibrator,
                                     std::string_view version = "100300");

// Names of the table that the graph does not have, and names of `wanted` that the table does not have.
struct NameMismatch {
  std::vector<std::string> not_in_graph;
  std::vector<std::string> not_in_table;
};
NameMismatch compare_names(const RangeTable& table, const std::vector<std::string>& wanted);

}  // namespace tfengine::quantize
