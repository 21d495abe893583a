// SPDX-License-Identifier: Apache-2.0
// Moving elements: any op that only picks them at regular distances is a strided copy; and resizing, and rows by index.
#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kThreads)
    copy_elements(StridedCopy copy, const T* __restrict__ src, T* __restrict__ dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  int64_t rest = i, from = 0, to = 0;
#pragma unroll
  for (int d = kMaxDims - 1; d >= 0; --d) {
    if (d >= copy.rank) continue;
    const int64_t index = rest % copy.dims[d];
    rest /= copy.dims[d];
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

template <typename Index>
__global__ void __launch_bounds__(kThreads)
    gather(const char* __restrict__ table, int64_t table_rows, const Index* __restrict__ indices, int64_t row_bytes,
           char* __restrict__ dst, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t row = i / row_bytes, byte = i - row * row_bytes;
  const int64_t from = static_cast<int64_t>(indices[row]);
  dst[i] = from >= 0 && from < table_rows ? table[from * row_bytes + byte] : char{0};
}

int64_t count_of(const ResizeShape& s) { return static_cast<int64_t>(s.batch) * s.out_h * s.out_w * s.channels; }

}  // namespace

void strided_copy(cudaStream_t stream, const StridedCopy& copy, const void* src, void* dst) {
  int64_t count = 1;
  for (int d = 0; d < copy.rank; ++d) count *= copy.dims[d];
  if (count == 0) return;
  const auto launch = [&](auto element) {
    using T = decltype(element);
    copy_elements<T><<<blocks_for(count, kThreads), kThreads, 0, stream>>>(copy, static_cast<const T*>(src),
                                                                           static_cast<T*>(dst), count);
  };
  if (copy.element_bytes == 1) {
    launch(uint8_t{});
  } else if (copy.element_bytes == 2) {
    launch(uint16_t{});
  } else if (copy.element_bytes == 4) {
    launch(uint32_t{});
  } else {
    launch(uint64_t{});
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
  const int64_t bytes = count * row_bytes;
  if (bytes == 0) return;
  if (index_bytes == 4) {
    gather<<<blocks_for(bytes, kThreads), kThreads, 0, stream>>>(static_cast<const char*>(table), table_rows,
                                                                 static_cast<const int32_t*>(indices), row_bytes,
                                                                 static_cast<char*>(dst), bytes);
  } else {
    gather<<<blocks_for(bytes, kThreads), kThreads, 0, stream>>>(static_cast<const char*>(table), table_rows,
                                                                 static_cast<const int64_t*>(indices), row_bytes,
                                                                 static_cast<char*>(dst), bytes);
  }
  check_launch("gather");
}

}  // namespace tfengine::cuda
