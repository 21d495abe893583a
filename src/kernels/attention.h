// SPDX-License-Identifier: Apache-2.0
// softmax(scale * q k^T + mask) v for each head of each sample, a few rows of scores at a time, so that they never leave the
// caches. Float only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::kernels {

struct AttentionShape {
  int64_t batch = 0, heads = 0;
  int64_t rows = 0;     // queries
  int64_t columns = 0;  // keys and values, at least one
  int64_t depth = 0;    // of queries and keys, for each head
  int64_t width = 0;    // of values and results, for each head
  float scale = 1.0f;
  // Distances of tokens, the heads of one lying side by side.
  int64_t q_stride = 0, k_stride = 0, v_stride = 0, dst_stride = 0;
  // Of the mask from sample to sample, head to head and row to row; 0 where it is the same for all. Its columns are dense.
  int64_t mask_batch_stride = 0, mask_head_stride = 0, mask_row_stride = 0;
};

// Scratch memory for so many threads.
size_t attention_workspace_bytes(const AttentionShape& shape, int threads);

// `mask` is added to the scores; null: none. `workspace` is aligned to 64 bytes. dst overlaps with no source.
void attention_f32(const AttentionShape& shape, const float* q, const float* k, const float* v, const float* mask,
                   float* dst, void* workspace, int threads);

}  // namespace tfengine::kernels
