// SPDX-License-Identifier: Apache-2.0
// Moving elements: any op that only picks them at regular distances is a strided copy; and resizing, and rows by index.
#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;

// `Count`: wide enough for the number of elements; 64-bit divisions take several times as long as 32-bit ones.
template <typename T, typename Count>
__global__ void __launch_bounds__(kThreads)
    copy_elements(StridedCopy copy, const T* __restrict__ src, T* __restrict__ dst, Count count) {
  const auto i = static_cast<Count>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  Count rest = i;
  int64_t from = 0, to = 0;
#pragma unroll
  for (int d = kMaxDims - 1; d >= 0; --d) {
    if (d >= copy.rank) continue;
    const auto dim = static_cast<Count>(copy.dims[d]);
    const auto index = static_cast<int64_t>(rest % dim);
    rest /= dim;
    from += index * copy.src_strides[d];
    to += index * copy.dst_strides[d];
  }
  dst[to] = src[from];
}

// The axis of the source that an output position stands for, as ops/resize.cpp defines it.
__device__ __forceinline__ float source_position(int out, float scale, bool half_pixel) {
  // Each operation rounded, as on the host: a position that is rounded differently takes another pixel.
  const float at = __fmul_rn(half_pixel ? static_cast<float>(out) + 0.5f : static_cast<float>(out), scale);
  return half_pixel ? __fsub_rn(at, 0.5f) : at;
}

__device__ __forceinline__ int nearest(int out, float scale, const ResizeShape& s, int size) {
  const float position =
      s.half_pixel_centers ? (static_cast<float>(out) + 0.5f) * scale : static_cast<float>(out) * scale;
  const int index = s.align_corners ? static_cast<int>(roundf(position)) : static_cast<int>(floorf(position));
  return max(0, min(index, size - 1));
}

// Of an element of the result.
struct Place {
  int c, x, y;
  int64_t n, pixel;
};

__device__ __forceinline__ Place place_of(int64_t element, const ResizeShape& s) {
  const int64_t pixel = element / s.channels;
  return {static_cast<int>(element % s.channels), static_cast<int>(pixel % s.out_w),
          static_cast<int>(pixel / s.out_w % s.out_h), pixel / s.out_w / s.out_h, pixel};
}

__global__ void __launch_bounds__(kThreads) resize_picks(ResizeShape s, View src, Target dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const auto [c, x, y, n, pixel] = place_of(i, s);
  const int64_t from = (n * s.in_h + nearest(y, s.scale_h, s, s.in_h)) * s.in_w + nearest(x, s.scale_w, s, s.in_w);
  const float r = load(src.data, src.elem, from * src.pitch + c) * src.scale;
  store(dst.data, dst.elem, pixel * dst.pitch + c, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
}

__global__ void __launch_bounds__(kThreads) resize_blends(ResizeShape s, View src, Target dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const auto [c, x, y, n, pixel] = place_of(i, s);
  const float fy = source_position(y, s.scale_h, s.half_pixel_centers);
  const float fx = source_position(x, s.scale_w, s.half_pixel_centers);
  const auto inside = [](float position, int size) { return max(0, min(static_cast<int>(position), size - 1)); };
  const int y0 = inside(floorf(fy), s.in_h), x0 = inside(floorf(fx), s.in_w);
  const int y1 = inside(ceilf(fy), s.in_h), x1 = inside(ceilf(fx), s.in_w);
  const float dy = fy - floorf(fy), dx = fx - floorf(fx);
  const auto at = [&](int row, int column) {
    return load(src.data, src.elem, ((n * s.in_h + row) * s.in_w + column) * src.pitch + c) * src.scale;
  };
  const float top = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * dx;
  const float bottom = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * dx;
  const float r = top + (bottom - top) * dy;
  store(dst.data, dst.elem, pixel * dst.pitch + c, dst.elem == Elem::S8 ? r * dst.inv_scale : r);
}

// Rows of `row_units` units.
template <typename Index, typename Unit>
__global__ void __launch_bounds__(kThreads)
    gather(const Unit* __restrict__ table, int64_t table_rows, const Index* __restrict__ indices, int64_t row_units,
           Unit* __restrict__ dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / row_units, unit = i - row * row_units;
  const int64_t from = static_cast<int64_t>(indices[row]);
  dst[i] = from >= 0 && from < table_rows ? table[from * row_units + unit] : Unit{};
}

bool aligned(const void* pointer, int64_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; }

// The same copy in elements of up to 16 bytes, as far as neighbours lie side by side on both sides.
StridedCopy widened(StridedCopy copy, const void* src, const void* dst) {
  constexpr int kWidest = 16;
  const int last = copy.rank - 1;
  if (copy.rank == 0 || copy.src_strides[last] != 1 || copy.dst_strides[last] != 1) return copy;
  const auto doubles = [&] {
    bool even = copy.dims[last] % 2 == 0;
    for (int d = 0; d < last; ++d) even = even && copy.src_strides[d] % 2 == 0 && copy.dst_strides[d] % 2 == 0;
    return even && aligned(src, 2 * copy.element_bytes) && aligned(dst, 2 * copy.element_bytes);
  };
  while (copy.element_bytes < kWidest && doubles()) {
    copy.element_bytes *= 2;
    copy.dims[last] /= 2;
    for (int d = 0; d < last; ++d) {
      copy.src_strides[d] /= 2;
      copy.dst_strides[d] /= 2;
    }
  }
  return copy;
}

int64_t count_of(const ResizeShape& s) { return static_cast<int64_t>(s.batch) * s.out_h * s.out_w * s.channels; }

}  // namespace

void strided_copy(cudaStream_t stream, const StridedCopy& given, const void* src, void* dst) {
  const StridedCopy copy = widened(given, src, dst);
  int64_t count = 1;
  for (int d = 0; d < copy.rank; ++d) count *= copy.dims[d];
  if (count == 0) return;
  const auto launch = [&](auto element) {
    using T = decltype(element);
    const auto* from = static_cast<const T*>(src);
    auto* to = static_cast<T*>(dst);
    const unsigned blocks = blocks_for(count, kThreads);
    if (count <= INT32_MAX) {
      copy_elements<T><<<blocks, kThreads, 0, stream>>>(copy, from, to, static_cast<uint32_t>(count));
    } else {
      copy_elements<T><<<blocks, kThreads, 0, stream>>>(copy, from, to, static_cast<uint64_t>(count));
    }
  };
  switch (copy.element_bytes) {
    case 1:
      launch(uint8_t{});
      break;
    case 2:
      launch(uint16_t{});
      break;
    case 4:
      launch(uint32_t{});
      break;
    case 8:
      launch(uint2{});
      break;
    default:
      launch(uint4{});
  }
  check_launch("strided_copy");
}

void resize_nearest(cudaStream_t stream, const ResizeShape& shape, const View& src, const Target& dst) {
  const int64_t count = count_of(shape);
  resize_picks<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(shape, src, dst, count);
  check_launch("resize_nearest");
}

void resize_bilinear(cudaStream_t stream, const ResizeShape& shape, const View& src, const Target& dst) {
  const int64_t count = count_of(shape);
  resize_blends<<<blocks_for(count, kThreads), kThreads, 0, stream>>>(shape, src, dst, count);
  check_launch("resize_bilinear");
}

void gather_rows(cudaStream_t stream, const void* table, int64_t table_rows, const void* indices, int index_bytes,
                 int64_t count, int64_t row_bytes, void* dst) {
  if (count * row_bytes == 0) return;
  const auto launch = [&](auto unit) {
    using Unit = decltype(unit);
    const int64_t row_units = row_bytes / static_cast<int64_t>(sizeof(Unit)), units = count * row_units;
    const auto run = [&](const auto* picked) {
      gather<<<blocks_for(units, kThreads), kThreads, 0, stream>>>(static_cast<const Unit*>(table), table_rows, picked,
                                                                   row_units, static_cast<Unit*>(dst), units);
    };
    if (index_bytes == 4) {
      run(static_cast<const int32_t*>(indices));
    } else {
      run(static_cast<const int64_t*>(indices));
    }
  };
  const auto in_units_of = [&](int64_t bytes) {
    return row_bytes % bytes == 0 && aligned(table, bytes) && aligned(dst, bytes);
  };
  if (in_units_of(sizeof(uint4))) {
    launch(uint4{});
  } else if (in_units_of(sizeof(uint32_t))) {
    launch(uint32_t{});
  } else {
    launch(uint8_t{});
  }
  check_launch("gather");
}

}  // namespace tfengine::cuda
