// SPDX-License-Identifier: Apache-2.0
// What TF-TRT's precision modes mean on this machine: the one place where that is decided.
#pragma once

#include <string>
#include <string_view>

namespace tfengine::graphdef {

// TF-TRT takes the names of its modes and strategies in either case.
std::string upper(std::string text);

struct EnginePrecision {
  std::string name;    // as ConvertOptions::precision
  std::string notice;  // where the engine computes in another precision than was asked for
};

// `mode`: FP32, FP16 or INT8, in either case; InvalidArgument for another. `on_gpu`: of engines that a GPU runs.
EnginePrecision engine_precision(std::string_view mode, bool on_gpu = false);

}  // namespace tfengine::graphdef
