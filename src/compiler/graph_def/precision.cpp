// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/precision.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "tfengine/convert.h"

namespace tfengine::graphdef {

EnginePrecision engine_precision(std::string_view mode) {
  std::string upper(mode);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  if (upper == "FP32") return {"fp32", {}};
  if (upper == "INT8") return {"int8", {}};
  if (upper != "FP16") {
    fail<InvalidArgument>("precision_mode '{}' is not supported, expected FP32, FP16 or INT8", mode);
  }
  // CPUs compute in bfloat16 where they have 16-bit floats at all.
  if (precision_available("bf16")) return {"bf16", {}};
  return {"fp32", "FP16 is asked for, and this CPU has no 16-bit float arithmetic: the engine computes in FP32"};
}

}  // namespace tfengine::graphdef
