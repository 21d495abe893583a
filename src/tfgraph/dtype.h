// SPDX-License-Identifier: Apache-2.0
// TensorFlow's DataType enumeration (tensorflow/core/framework/types.proto).
#pragma once

#include <cstdint>
#include <string>

#include "tfengine/tensor.h"

namespace tfengine::tfgraph {

// Reference types (100 + x) are x; quantized ones their integers; DType::Invalid for what tfengine has no type for.
DType dtype_from_proto(uint64_t value);
// "DT_FLOAT"; "DataType 77" for an unknown one.
std::string proto_dtype_name(uint64_t value);

}  // namespace tfengine::tfgraph
