// SPDX-License-Identifier: Apache-2.0
// How attention.cpp divides its work and its scratch memory; the same for every instruction set.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Rows of scores at a time, two tiles of the widest vectors: with 128 columns they are 14 KiB of the first-level cache.
inline constexpr int64_t kAttentionRows = 28;
// Panels of every instruction set divide this, so that rows of scores and results have room for whole ones.
inline constexpr int64_t kAttentionPanel = 32;

inline int64_t padded_columns(int64_t columns) {
  return (columns + kAttentionPanel - 1) / kAttentionPanel * kAttentionPanel;
}

// Where one head of one sample starts.
struct AttentionSources {
  const float *q = nullptr, *k = nullptr, *v = nullptr;
  const float* mask = nullptr;
  float* dst = nullptr;
};

// A thread's own.
struct AttentionScratch {
  float *keys = nullptr, *values = nullptr;
  float *scores = nullptr, *results = nullptr;
};

}  // namespace tfengine::kernels
