// SPDX-License-Identifier: Apache-2.0
// oneDNN's exceptions as ours.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <string>
#include <utility>

#include "tfengine/error.h"

namespace tfengine::onednn {

template <typename F>
auto translated(F&& call) -> decltype(call()) {
  try {
    return std::forward<F>(call)();
  } catch (const dnnl::error& error) {
    const std::string text = std::string("oneDNN: ") + error.what();
    if (error.status == dnnl_out_of_memory) throw OutOfMemory("out of memory: " + text, 0, UINT64_MAX);
    throw BackendFailure(text, error.status);
  }
}

}  // namespace tfengine::onednn
