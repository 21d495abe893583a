// SPDX-License-Identifier: Apache-2.0
// Attention on the tensor cores: a block takes 64 queries of one head and goes over its keys and values in tiles of 64, so that
// scores never leave the registers. Each of its four warps has 16 queries; sums of a row are corrected where a later tile has a
// larger score.
#include <cfloat>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kTile = 64;           // queries of a block, and keys at a time
constexpr int kRows = 16;           // queries of a warp
constexpr int kScores = kTile / 8;  // pieces of 16 x 8 scores
constexpr float kLog2E = 1.4426950408889634f;

// Four pieces of 8 x 8 halves; `at`: this lane's row of one of them.
__device__ __forceinline__ void load_pieces(const __half* at, uint32_t (&pieces)[4]) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(at));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(pieces[0]), "=r"(pieces[1]), "=r"(pieces[2]), "=r"(pieces[3])
               : "r"(address));
}
__device__ __forceinline__ void load_turned_pieces(const __half* at, uint32_t (&pieces)[4]) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(at));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(pieces[0]), "=r"(pieces[1]), "=r"(pieces[2]), "=r"(pieces[3])
               : "r"(address));
}

// sums[16 x 8] += a[16 x 16] * b[16 x 8].
__device__ __forceinline__ void multiply(const uint32_t (&a)[4], uint32_t b0, uint32_t b1, float (&sums)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint32_t pair_of(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

// Rows of one head: `size` elements each, `distance` apart.
struct HeadRows {
  const void* data;
  Elem elem;
  int64_t first, distance;
  int rows, size;
  bool wide;  // rows are whole pieces of 16 bytes, in half precision
};

// 16 bytes from global to shared memory, without waiting for them.
__device__ __forceinline__ void start_copy(__half* to, const __half* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               :
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "l"(from));
}
__device__ __forceinline__ void end_group() { asm volatile("cp.async.commit_group;"); }
// All groups but the latest `kLeft` are there.
template <int kLeft>
__device__ __forceinline__ void wait_groups() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kLeft));
}

// kTile rows as halves in shared memory, zeros beyond their ends. Rows there are 16 bytes longer than they need be, so that the
// eight that are read together lie in different banks.
template <int kDepth>
struct Tile {
  static constexpr int kPitch = kDepth + 8;
  static constexpr int kChunks = kDepth / 8;
  static constexpr int kElements = kTile * kPitch;

  // What is copied as it is arrives with the thread's group of copies.
  static __device__ __forceinline__ void fill(__half* tile, const HeadRows& from, int first_row) {
#pragma unroll
    for (int i = 0; i < kTile * kChunks / kThreads; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kThreads;
      const int row = at / kChunks, column = at % kChunks * 8;
      const int64_t source = from.first + (first_row + row) * from.distance + column;
      const bool inside = first_row + row < from.rows;
      __half* to = tile + row * kPitch + column;
      if (inside && from.wide && column + 8 <= from.size) {
        start_copy(to, static_cast<const __half*>(from.data) + source);
        continue;
      }
      uint4 chunk = {0, 0, 0, 0};
      if (inside && column < from.size) {
        float values[8];
#pragma unroll
        for (int k = 0; k < 8; ++k) values[k] = column + k < from.size ? load(from.data, from.elem, source + k) : 0.0f;
        chunk = {pair_of(values[0], values[1]), pair_of(values[2], values[3]), pair_of(values[4], values[5]),
                 pair_of(values[6], values[7])};
      }
      *reinterpret_cast<uint4*>(to) = chunk;
    }
  }
};

__device__ __forceinline__ float of_four_lanes(float x, bool most) {
#pragma unroll
  for (int offset = 1; offset < 4; offset *= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, x, offset);
    x = most ? fmaxf(x, other) : x + other;
  }
  return x;
}

// A warp's queries against the keys' tile.
template <int kDepth>
__device__ __forceinline__ void score(const uint32_t (&queries)[kDepth / 16][4], const __half* keys,
                                      float (&scores)[kScores][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const __half* row = keys + (lane % 8 + lane / 16 * 8) * Tile<kDepth>::kPitch + lane / 8 % 2 * 8;
#pragma unroll
  for (int n = 0; n < kScores; n += 2) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[n][i] = scores[n + 1][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < kDepth / 16; ++k) {
      uint32_t pieces[4];
      load_pieces(row + n * 8 * Tile<kDepth>::kPitch + k * 16, pieces);
      multiply(queries[k], pieces[0], pieces[1], scores[n]);
      multiply(queries[k], pieces[2], pieces[3], scores[n + 1]);
    }
  }
}

template <int kDepth>
__device__ __forceinline__ void add_values(const float (&scores)[kScores][4], const __half* values,
                                           float (&sums)[kDepth / 8][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const __half* row = values + lane % 16 * Tile<kDepth>::kPitch + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) {
    const float(&low)[4] = scores[2 * k];
    const float(&high)[4] = scores[2 * k + 1];
    const uint32_t weights[4] = {pair_of(low[0], low[1]), pair_of(low[2], low[3]), pair_of(high[0], high[1]),
                                 pair_of(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < kDepth / 8; n += 2) {
      uint32_t pieces[4];
      load_turned_pieces(row + k * 16 * Tile<kDepth>::kPitch + n * 8, pieces);
      multiply(weights, pieces[0], pieces[1], sums[n]);
      multiply(weights, pieces[2], pieces[3], sums[n + 1]);
    }
  }
}

// A mask of each row: the addends of a lane's scores are loaded before the first one is used.
template <typename T>
__device__ __forceinline__ void add_row_mask(float (&scores)[kScores][4], const AttentionShape& s, const T* mask,
                                             int row, int column) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    T addends[kScores];
    const int r = row + i / 2 * 8;
#pragma unroll
    for (int n = 0; n < kScores; ++n) {
      const int c = column + n * 8 + i % 2;
      addends[n] = c < s.columns && r < s.rows ? mask[r * s.mask_row_stride + c] : T(0.0f);
    }
#pragma unroll
    for (int n = 0; n < kScores; ++n) scores[n][i] += to_float(addends[n]) * kLog2E;
  }
}

// Scores in units of log2, with the mask: `shared_mask` is that of a tile's columns where it is the same for all rows. Those beyond
// the last column take no part. A mask's lowest values stay finite: a row that is masked as a whole is the mean of all values,
// as in single precision.
template <bool kRowMasks>
__device__ __forceinline__ void add_mask(float (&scores)[kScores][4], const AttentionShape& s, const View& mask,
                                         int64_t mask_first, const float* shared_mask, int row, int column) {
  const float scale = s.scale * kLog2E;
  const int within = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int n = 0; n < kScores; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[n][i] = fmaf(scores[n][i], scale, shared_mask[n * 8 + within + i % 2]);
  }
  if (kRowMasks) {
    if (mask.elem == Elem::F16) {
      add_row_mask(scores, s, static_cast<const __half*>(mask.data) + mask_first, row, column + within);
    } else {
      add_row_mask(scores, s, static_cast<const float*>(mask.data) + mask_first, row, column + within);
    }
  }
#pragma unroll
  for (int n = 0; n < kScores; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (scores[n][i] < -FLT_MAX) scores[n][i] = -FLT_MAX;  // NaN stays
      if (column + within + n * 8 + i % 2 >= s.columns) scores[n][i] = -INFINITY;
    }
  }
}

// The mask of a tile's columns; zeros where rows have masks of their own, or none.
__device__ __forceinline__ void fill_mask(float* shared_mask, const AttentionShape& s, const View& mask,
                                          int64_t mask_first, int column) {
  const int at = static_cast<int>(threadIdx.x);
  if (at >= kTile) return;
  const bool same = mask.data != nullptr && s.mask_row_stride == 0 && column + at < s.columns;
  shared_mask[at] = same ? load(mask.data, mask.elem, mask_first + column + at) * kLog2E : 0.0f;
}

// Of a warp's queries: a lane has parts of two rows, r and r + 8.
template <int kDepth>
struct Results {
  float sums[kDepth / 8][4] = {};
  float most[2] = {-FLT_MAX, -FLT_MAX}, total[2] = {0.0f, 0.0f};
};

// Scores become weights of the values; the sums so far are corrected for a larger score.
template <int kDepth>
__device__ __forceinline__ void take_scores(float (&scores)[kScores][4], Results<kDepth>& results) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = results.most[half];
#pragma unroll
    for (int n = 0; n < kScores; ++n) largest = fmaxf(largest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
    largest = of_four_lanes(largest, true);
    const float correction = exp2f(results.most[half] - largest);
    results.most[half] = largest;
    float sum = 0.0f;
#pragma unroll
    for (int n = 0; n < kScores; ++n) {
#pragma unroll
      for (int i = 2 * half; i < 2 * half + 2; ++i) {
        scores[n][i] = exp2f(scores[n][i] - largest);
        sum += scores[n][i];
      }
    }
    results.total[half] = results.total[half] * correction + sum;
#pragma unroll
    for (int n = 0; n < kDepth / 8; ++n) {
      results.sums[n][2 * half] *= correction;
      results.sums[n][2 * half + 1] *= correction;
    }
  }
}

template <int kDepth>
__device__ __forceinline__ void write(const Results<kDepth>& results, const AttentionShape& s, const Target& dst,
                                      int sample, int head, int row) {
  const int column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float inverse = 1.0f / of_four_lanes(results.total[half], false);
    const int r = row + half * 8;
    if (r >= s.rows) continue;
    const int64_t first = ((sample * s.rows + r) * s.heads + head) * dst.pitch;
#pragma unroll
    for (int n = 0; n < kDepth / 8; ++n) {
      const int c = n * 8 + column;
      const float low = results.sums[n][2 * half] * inverse, high = results.sums[n][2 * half + 1] * inverse;
      if (dst.elem == Elem::F16 && dst.pitch % 2 == 0) {
        if (c < dst.pitch)
          *reinterpret_cast<uint32_t*>(static_cast<__half*>(dst.data) + first + c) = pair_of(low, high);
        continue;
      }
      if (c < dst.pitch) store(dst.data, dst.elem, first + c, low);
      if (c + 1 < dst.pitch) store(dst.data, dst.elem, first + c + 1, high);
    }
  }
}

// `kRowMasks`: rows have masks of their own.
template <int kDepth, bool kRowMasks>
__global__ void __launch_bounds__(kThreads, kDepth <= 64 && !kRowMasks ? 4 : 2)
    attention_tiles(AttentionShape s, View q, View k, View v, View mask, Target dst) {
  // The next tile is fetched while one is multiplied, where shared memory has room for two.
  constexpr int kStages = kDepth <= 64 ? 2 : 1;
  __shared__ __align__(16) __half keys[kStages][Tile<kDepth>::kElements];
  __shared__ __align__(16) __half values[kStages][Tile<kDepth>::kElements];
  __shared__ float masks[kStages][kTile];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int head = static_cast<int>(blockIdx.y), sample = static_cast<int>(blockIdx.z);
  const int first_row = static_cast<int>(blockIdx.x) * kTile;
  const auto rows_of = [&](const View& view, int64_t rows, int64_t size) {
    const bool wide = view.elem == Elem::F16 && view.pitch % 8 == 0;
    return HeadRows{view.data,
                    view.elem,
                    (sample * rows * s.heads + head) * view.pitch,
                    s.heads * view.pitch,
                    static_cast<int>(rows),
                    static_cast<int>(size),
                    wide};
  };
  const HeadRows all_keys = rows_of(k, s.columns, s.depth), all_values = rows_of(v, s.columns, s.width);
  const int64_t mask_first = sample * s.mask_batch_stride + head * s.mask_head_stride;
  const auto fetch = [&](int stage, int column) {
    if (column < s.columns) {
      Tile<kDepth>::fill(keys[stage], all_keys, column);
      Tile<kDepth>::fill(values[stage], all_values, column);
      fill_mask(masks[stage], s, mask, mask_first, column);
    }
    end_group();
  };

  // Queries go through the place of the last stage's keys.
  uint32_t queries[kDepth / 16][4];
  __half* passing = keys[kStages - 1];
  Tile<kDepth>::fill(passing, rows_of(q, s.rows, s.depth), first_row);
  end_group();
  if (kStages == 2) fetch(0, 0);
  wait_groups<kStages - 1>();
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kDepth / 16; ++i) {
    load_pieces(passing + (warp * kRows + lane % 16) * Tile<kDepth>::kPitch + i * 16 + lane / 16 * 8, queries[i]);
  }

  Results<kDepth> results;
  const int row = first_row + warp * kRows + lane / 4;
  int stage = 0;
  for (int column = 0; column < s.columns; column += kTile) {
    __syncthreads();  // what the next fetch overwrites was read
    if (kStages == 2) {
      fetch(stage ^ 1, column + kTile);
      wait_groups<1>();
    } else {
      fetch(0, column);
      wait_groups<0>();
    }
    __syncthreads();
    float scores[kScores][4];
    score<kDepth>(queries, keys[stage], scores);
    add_mask<kRowMasks>(scores, s, mask, mask_first, masks[stage], row, column);
    take_scores<kDepth>(scores, results);
    add_values<kDepth>(scores, values[stage], results.sums);
    if (kStages == 2) stage ^= 1;
  }

  write<kDepth>(results, s, dst, sample, head, row);
}

template <int kDepth>
void launch(cudaStream_t stream, const AttentionShape& s, const View& q, const View& k, const View& v, const View& mask,
            const Target& dst) {
  const dim3 grid(blocks_for(s.rows, kTile), static_cast<unsigned>(s.heads), static_cast<unsigned>(s.batch));
  if (mask.data != nullptr && s.mask_row_stride != 0) {
    attention_tiles<kDepth, true><<<grid, kThreads, 0, stream>>>(s, q, k, v, mask, dst);
  } else {
    attention_tiles<kDepth, false><<<grid, kThreads, 0, stream>>>(s, q, k, v, mask, dst);
  }
}

}  // namespace

bool attention_takes(int64_t batch, int64_t heads, int64_t depth, int64_t width) {
  constexpr int64_t kMostDepth = 128, kMostBlocks = 65535;  // of the grid's second and third dimension
  return depth <= kMostDepth && width <= kMostDepth && heads <= kMostBlocks && batch <= kMostBlocks;
}

void attention(cudaStream_t stream, const AttentionShape& shape, const View& q, const View& k, const View& v,
               const View& mask, const Target& dst) {
  const int64_t depth = shape.depth > shape.width ? shape.depth : shape.width;
  if (depth <= 32) {
    launch<32>(stream, shape, q, k, v, mask, dst);
  } else if (depth <= 64) {
    launch<64>(stream, shape, q, k, v, mask, dst);
  } else {
    launch<128>(stream, shape, q, k, v, mask, dst);
  }
  check_launch("attention");
}

}  // namespace tfengine::cuda
