// SPDX-License-Identifier: Apache-2.0
// Ranges of tensors in the command line's JSON.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

#include "tfengine/calibrate.h"

namespace tfengine::tools {

// low and high only where they are known.
inline nlohmann::json range_json(const TensorRange& range) {
  nlohmann::json json = {{"tensor", range.tensor},
                         {"max_abs", range.max_abs},
                         {"non_negative", range.non_negative},
                         {"source", range.source},
                         {"origin", range.origin}};
  if (std::isfinite(range.low)) json["low"] = range.low;
  if (std::isfinite(range.high)) json["high"] = range.high;
  return json;
}

}  // namespace tfengine::tools
