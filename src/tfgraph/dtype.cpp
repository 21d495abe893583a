// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/dtype.h"

#include <fmt/core.h>

namespace tfengine::tfgraph {

namespace {

struct Row {
  const char* name;
  DType dtype;
};

// Indexed by the enumeration's value.
constexpr Row kTypes[] = {
    {"DT_INVALID", DType::Invalid},
    {"DT_FLOAT", DType::F32},
    {"DT_DOUBLE", DType::F64},
    {"DT_INT32", DType::S32},
    {"DT_UINT8", DType::U8},
    {"DT_INT16", DType::S16},
    {"DT_INT8", DType::S8},
    {"DT_STRING", DType::String},
    {"DT_COMPLEX64", DType::C64},
    {"DT_INT64", DType::S64},
    {"DT_BOOL", DType::Bool},
    {"DT_QINT8", DType::S8},
    {"DT_QUINT8", DType::U8},
    {"DT_QINT32", DType::S32},
    {"DT_BFLOAT16", DType::BF16},
    {"DT_QINT16", DType::S16},
    {"DT_QUINT16", DType::U16},
    {"DT_UINT16", DType::U16},
    {"DT_COMPLEX128", DType::Invalid},
    {"DT_HALF", DType::F16},
    {"DT_RESOURCE", DType::Invalid},
    {"DT_VARIANT", DType::Invalid},
    {"DT_UINT32", DType::U32},
    {"DT_UINT64", DType::U64},
};

uint64_t base_type(uint64_t value) { return value > 100 ? value - 100 : value; }

}  // namespace

DType dtype_from_proto(uint64_t value) {
  const uint64_t base = base_type(value);
  return base < std::size(kTypes) ? kTypes[base].dtype : DType::Invalid;
}

std::string proto_dtype_name(uint64_t value) {
  const uint64_t base = base_type(value);
  return base < std::size(kTypes) ? kTypes[base].name : fmt::format("DataType {}", value);
}

}  // namespace tfengine::tfgraph
