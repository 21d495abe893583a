// SPDX-License-Identifier: Apache-2.0
// What the importer accepts at most: files are untrusted, and each of these bounds memory, time or recursion.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::tfgraph {

inline constexpr size_t kMaxNodes = 2'000'000;  // after inlining of functions
inline constexpr size_t kMaxNameBytes = 4096;   // of a node, op, function or attribute
inline constexpr size_t kMaxRank = 254;         // TensorFlow's TensorShape::MaxDimensions()
inline constexpr int64_t kMaxTensorBytes = int64_t{1} << 36;
inline constexpr int64_t kMaxSplatBytes = int64_t{1} << 30;  // all constants written as one repeated value together
inline constexpr int kMaxCallDepth = 64;
inline constexpr size_t kMaxAliasSteps = 1'000'000;  // Identity and call borders passed to find one producer

}  // namespace tfengine::tfgraph
