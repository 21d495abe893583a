// SPDX-License-Identifier: Apache-2.0
#include "compiler/graph_def/precision.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"
#include "tfengine/convert.h"

namespace tfengine::graphdef {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

EnginePrecision engine_precision(std::string_view mode, bool on_gpu) {
  const std::string name = upper(std::string(mode));
  if (name == "FP32") return {"fp32", {}};
  if (name == "INT8") return {"int8", {}};
  if (name != "FP16") {
    fail<InvalidArgument>("precision_mode '{}' is not supported, expected FP32, FP16 or INT8", mode);
  }
  if (on_gpu) return {"fp16", {}};
  // CPUs compute in bfloat16 where they have 16-bit floats at all.
  if (precision_available("bf16")) return {"bf16", {}};
  return {"fp32", "FP16 is asked for, and this CPU has no 16-bit float arithmetic: the engine computes in FP32"};
}

}  // namespace tfengine::graphdef
