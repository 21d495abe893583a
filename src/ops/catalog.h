// SPDX-License-Identifier: Apache-2.0
// What is told of ops beside what they mean: data types, ranks, attributes and limits, one row per op. Tests hold every
// claim against cases that TensorFlow computed.
#pragma once

#include <string_view>

namespace tfengine::ops {

struct OpFacts {
  std::string_view op;          // canonical name
  std::string_view types;       // codes separated by spaces: f32 f64 f16 bf16 i8 u8 i16 i32 i64 bool c64; none: any
  std::string_view ranks;       // "4", "0-8"
  std::string_view attributes;  // names separated by spaces
  std::string_view limits;      // a sentence, or nothing
};

// Null for ops that are no TensorFlow ops but made by rewrites.
const OpFacts* op_facts(std::string_view op);

}  // namespace tfengine::ops
