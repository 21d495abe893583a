// SPDX-License-Identifier: Apache-2.0
// Products of two matrices that are both computed at run time, on the tensor cores: halves, or floats rounded to TF32. Attention's
// are small and many, so that reading their operands is most of the work: each block multiplies tiles of 64 x 64 and fetches the
// next 32 of the summed dimension while it does so.
#include <mma.h>

#include <type_traits>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

using namespace nvcuda;

constexpr int kThreads = 128;  // four warps, each with a quarter of the tile
constexpr int kTile = 64;      // rows and columns of a block's result
constexpr int kDepth = 32;     // of the summed dimension, at a time
constexpr int kChunk = 8;      // elements that a thread takes at once
constexpr int kChunksPerThread = kTile * kDepth / kChunk / kThreads;
constexpr int kResultPitch = kTile + 4;

// Rows are a piece of 16 bytes longer than they need be, so that those read together lie in different banks.
template <typename T>
constexpr int padded(int elements) {
  return elements + 16 / static_cast<int>(sizeof(T));
}

__device__ __forceinline__ void to_product(float x, __half& y) { y = __float2half_rn(x); }
__device__ __forceinline__ void to_product(float x, float& y) { y = wmma::__float_to_tf32(x); }

// One operand: `lines` lines of `length` elements that lie side by side, `pitch` apart. Which of the two is summed over is the
// caller's.
struct Lines {
  const void* data;
  Elem elem;
  int64_t lines, length, pitch;
  bool wide;  // chunks can be fetched as a whole
};

template <typename T>
struct Chunk {
  T values[kChunk];
};

// Elements beyond the end are zero.
template <typename T>
__device__ __forceinline__ Chunk<T> fetch(const Lines& from, int64_t base, int64_t line, int64_t at) {
  Chunk<T> chunk;
  const int64_t first = base + line * from.pitch + at;
  if (line < from.lines && at + kChunk <= from.length && from.wide) {
    if (from.elem == Elem::F16) {
      const uint4 raw = *reinterpret_cast<const uint4*>(static_cast<const __half*>(from.data) + first);
      const auto* halves = reinterpret_cast<const __half*>(&raw);
#pragma unroll
      for (int i = 0; i < kChunk; ++i) to_product(__half2float(halves[i]), chunk.values[i]);
      return chunk;
    }
    if (from.elem == Elem::F32) {
      const auto* source = reinterpret_cast<const float4*>(static_cast<const float*>(from.data) + first);
      const float4 low = source[0], high = source[1];
      const float floats[kChunk] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
      for (int i = 0; i < kChunk; ++i) to_product(floats[i], chunk.values[i]);
      return chunk;
    }
  }
#pragma unroll
  for (int i = 0; i < kChunk; ++i) {
    const bool inside = line < from.lines && at + i < from.length;
    to_product(inside ? load(from.data, from.elem, first + i) : 0.0f, chunk.values[i]);
  }
  return chunk;
}

// A tile of an operand in shared memory. kAlongDepth: its lines run along the summed dimension, as they lie in memory; else
// along rows (of the first operand) or columns (of the second).
template <typename T, bool kAlongDepth>
struct Tile {
  static constexpr int kLines = kAlongDepth ? kTile : kDepth;
  static constexpr int kLength = kAlongDepth ? kDepth : kTile;
  static constexpr int kPitch = padded<T>(kLength);
  static constexpr int kElements = kLines * kPitch;
  static constexpr int kChunksPerLine = kLength / kChunk;

  static __device__ __forceinline__ void fetch_chunks(const Lines& from, int64_t base, int64_t outer, int64_t depth,
                                                      Chunk<T> (&chunks)[kChunksPerThread]) {
#pragma unroll
    for (int i = 0; i < kChunksPerThread; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kThreads;
      const int line = at / kChunksPerLine, column = at % kChunksPerLine * kChunk;
      chunks[i] = kAlongDepth ? fetch<T>(from, base, outer + line, depth + column)
                              : fetch<T>(from, base, depth + line, outer + column);
    }
  }
  static __device__ __forceinline__ void keep(T* tile, const Chunk<T> (&chunks)[kChunksPerThread]) {
#pragma unroll
    for (int i = 0; i < kChunksPerThread; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kThreads;
      T* to = tile + at / kChunksPerLine * kPitch + at % kChunksPerLine * kChunk;
#pragma unroll
      for (int v = 0; v < kChunk * static_cast<int>(sizeof(T)) / 16; ++v) {
        reinterpret_cast<uint4*>(to)[v] = reinterpret_cast<const uint4*>(chunks[i].values)[v];
      }
    }
  }
  // Where the element at (outer, depth) is.
  static __device__ __forceinline__ const T* at(const T* tile, int outer, int depth) {
    return kAlongDepth ? tile + outer * kPitch + depth : tile + depth * kPitch + outer;
  }
};

template <typename T>
struct Fragments;
template <>
struct Fragments<__half> {
  static constexpr int kStep = 16;
  using type = __half;
};
template <>
struct Fragments<float> {
  static constexpr int kStep = 8;
  using type = wmma::precision::tf32;
};

using Sums = wmma::fragment<wmma::accumulator, 16, 16, 16, float>;
using SumsOfFloats = wmma::fragment<wmma::accumulator, 16, 16, 8, float>;

// A warp's quarter of the result: 32 x 32, from `row` and `column` of the tile.
template <typename T, bool kAAlongDepth, bool kBAlongDepth, typename Accumulator>
__device__ __forceinline__ void multiply(const T* a, const T* b, int row, int column, Accumulator (&sums)[2][2]) {
  constexpr int kStep = Fragments<T>::kStep;
  using Type = typename Fragments<T>::type;
  using ALayout = std::conditional_t<kAAlongDepth, wmma::row_major, wmma::col_major>;
  using BLayout = std::conditional_t<kBAlongDepth, wmma::col_major, wmma::row_major>;
#pragma unroll
  for (int k = 0; k < kDepth; k += kStep) {
    wmma::fragment<wmma::matrix_a, 16, 16, kStep, Type, ALayout> left[2];
    wmma::fragment<wmma::matrix_b, 16, 16, kStep, Type, BLayout> right[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      using ATile = Tile<T, kAAlongDepth>;
      using BTile = Tile<T, kBAlongDepth>;
      wmma::load_matrix_sync(left[i], ATile::at(a, row + 16 * i, k), ATile::kPitch);
      wmma::load_matrix_sync(right[i], BTile::at(b, column + 16 * i, k), BTile::kPitch);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 2; ++j) wmma::mma_sync(sums[i][j], left[i], right[j], sums[i][j]);
    }
  }
}

// Where a matrix of the batch begins.
__device__ __forceinline__ int64_t base_of(const MatmulShape& s, const int64_t* strides, int64_t batch) {
  int64_t base = 0;
#pragma unroll
  for (int d = kMaxDims - 1; d >= 0; --d) {
    if (d >= s.batch_rank) continue;
    base += batch % s.batch_dims[d] * strides[d];
    batch /= s.batch_dims[d];
  }
  return base;
}

// The tile's results, four side by side for each thread. What is between a row's end and the next row becomes zero.
__device__ __forceinline__ void write_tile(const MatmulShape& s, const float* results, int64_t batch, int64_t row,
                                           int64_t column, float factor, const ConvEpilogue& epilogue,
                                           const Target& dst) {
  constexpr int kSide = 4;
  const bool wide = dst.pitch % kSide == 0;
  for (int at = static_cast<int>(threadIdx.x); at < kTile * kTile / kSide; at += kThreads) {
    const int i = at / (kTile / kSide), j = at % (kTile / kSide) * kSide;
    if (row + i >= s.m || column + j >= dst.pitch) continue;
    const int64_t pixel = batch * s.m + row + i;
    float values[kSide];
#pragma unroll
    for (int e = 0; e < kSide; ++e) {
      const int64_t c = column + j + e;
      const float r =
          c < s.n ? finish(epilogue, results[i * kResultPitch + j + e] * factor, pixel, static_cast<int>(c)) : 0.0f;
      values[e] = dst.elem == Elem::S8 ? r * dst.inv_scale : r;
    }
    const int64_t first = pixel * dst.pitch + column + j;
    if (wide && dst.elem == Elem::F32) {
      *reinterpret_cast<float4*>(static_cast<float*>(dst.data) + first) = {values[0], values[1], values[2], values[3]};
    } else if (wide && dst.elem == Elem::F16) {
      const __half2 pair[2] = {__floats2half2_rn(values[0], values[1]), __floats2half2_rn(values[2], values[3])};
      *reinterpret_cast<uint2*>(static_cast<__half*>(dst.data) + first) = *reinterpret_cast<const uint2*>(pair);
    } else {
      for (int e = 0; e < kSide && column + j + e < dst.pitch; ++e) store(dst.data, dst.elem, first + e, values[e]);
    }
  }
}

template <typename T, bool kAAlongDepth, bool kBAlongDepth>
__global__ void __launch_bounds__(kThreads)
    matmul_tiles(MatmulShape s, Lines a, Lines b, float factor, ConvEpilogue epilogue, Target dst) {
  using ATile = Tile<T, kAAlongDepth>;
  using BTile = Tile<T, kBAlongDepth>;
  using Accumulator = std::conditional_t<std::is_same_v<T, float>, SumsOfFloats, Sums>;
  constexpr int kTileBytes = (ATile::kElements + BTile::kElements) * static_cast<int>(sizeof(T));
  constexpr int kResultBytes = kTile * kResultPitch * static_cast<int>(sizeof(float));
  __shared__ __align__(128) char memory[kTileBytes > kResultBytes ? kTileBytes : kResultBytes];
  T* a_tile = reinterpret_cast<T*>(memory);
  T* b_tile = a_tile + ATile::kElements;

  const int64_t tiles_n = (dst.pitch + kTile - 1) / kTile, tiles_m = (s.m + kTile - 1) / kTile;
  const int64_t block = blockIdx.x;
  const int64_t column = block % tiles_n * kTile, row = block / tiles_n % tiles_m * kTile;
  const int64_t batch = block / (tiles_n * tiles_m);
  const int64_t a_base = base_of(s, s.a_batch_strides, batch), b_base = base_of(s, s.b_batch_strides, batch);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;

  Accumulator sums[2][2];
#pragma unroll
  for (int i = 0; i < 4; ++i) wmma::fill_fragment(sums[i / 2][i % 2], 0.0f);
  Chunk<T> a_next[kChunksPerThread], b_next[kChunksPerThread];
  ATile::fetch_chunks(a, a_base, row, 0, a_next);
  BTile::fetch_chunks(b, b_base, column, 0, b_next);
  for (int64_t k = 0; k < s.k; k += kDepth) {
    __syncthreads();  // the tiles before were read
    ATile::keep(a_tile, a_next);
    BTile::keep(b_tile, b_next);
    __syncthreads();
    if (k + kDepth < s.k) {
      ATile::fetch_chunks(a, a_base, row, k + kDepth, a_next);
      BTile::fetch_chunks(b, b_base, column, k + kDepth, b_next);
    }
    multiply<T, kAAlongDepth, kBAlongDepth>(a_tile, b_tile, warp_row, warp_column, sums);
  }
  __syncthreads();
  auto* results = reinterpret_cast<float*>(memory);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float* to = results + (warp_row + i / 2 * 16) * kResultPitch + warp_column + i % 2 * 16;
    wmma::store_matrix_sync(to, sums[i / 2][i % 2], kResultPitch, wmma::mem_row_major);
  }
  __syncthreads();
  write_tile(s, results, batch, row, column, factor, epilogue, dst);
}

// `wide`: chunks begin at whole pieces of 16 bytes.
Lines lines_of(const View& view, int64_t lines, int64_t length, const MatmulShape& s, const int64_t* batch_strides) {
  Lines result{view.data, view.elem, lines, length, view.pitch, false};
  bool whole = view.pitch % kChunk == 0 && reinterpret_cast<uintptr_t>(view.data) % 16 == 0;
  for (int d = 0; d < s.batch_rank; ++d) whole = whole && batch_strides[d] % kChunk == 0;
  result.wide = whole;
  return result;
}

template <typename T>
void launch(cudaStream_t stream, const MatmulShape& s, const Lines& a, const Lines& b, float factor,
            const ConvEpilogue& epilogue, const Target& dst) {
  int64_t blocks = ((dst.pitch + kTile - 1) / kTile) * ((s.m + kTile - 1) / kTile);
  for (int d = 0; d < s.batch_rank; ++d) blocks *= s.batch_dims[d];
  const auto grid = static_cast<unsigned>(blocks);
  // The first operand lies [m][k] unless it is transposed, the second [k][n].
  if (!s.a_transposed && s.b_transposed) {
    matmul_tiles<T, true, true><<<grid, kThreads, 0, stream>>>(s, a, b, factor, epilogue, dst);
  } else if (!s.a_transposed) {
    matmul_tiles<T, true, false><<<grid, kThreads, 0, stream>>>(s, a, b, factor, epilogue, dst);
  } else if (s.b_transposed) {
    matmul_tiles<T, false, true><<<grid, kThreads, 0, stream>>>(s, a, b, factor, epilogue, dst);
  } else {
    matmul_tiles<T, false, false><<<grid, kThreads, 0, stream>>>(s, a, b, factor, epilogue, dst);
  }
  check_launch("matmul");
}

}  // namespace

void matmul(cudaStream_t stream, const MatmulShape& shape, const View& a, const View& b, bool halves,
            const ConvEpilogue& epilogue, const Target& dst) {
  const MatmulShape& s = shape;
  const Lines left =
      s.a_transposed ? lines_of(a, s.k, s.m, s, s.a_batch_strides) : lines_of(a, s.m, s.k, s, s.a_batch_strides);
  const Lines right =
      s.b_transposed ? lines_of(b, s.n, s.k, s, s.b_batch_strides) : lines_of(b, s.k, s.n, s, s.b_batch_strides);
  const float factor = a.scale * b.scale;
  if (halves) {
    launch<__half>(stream, s, left, right, factor, epilogue, dst);
  } else {
    launch<float>(stream, s, left, right, factor, epilogue, dst);
  }
}

}  // namespace tfengine::cuda
