// SPDX-License-Identifier: Apache-2.0
// The first layer of an image network as an implicit matrix product on the tensor cores (mma.m16n8k32, s8): a block takes a
// patch of the image into shared memory, quantizing floats on the way, and multiplies windows of it with weights that stay in
// shared memory while the block goes from tile to tile. The kernel rows of a window are runs of bytes in the image, since its
// few channels lie side by side; each is padded to whole words, where the weights have zeros. A warp computes one row of 16
// output pixels.
#include <algorithm>
#include <cstring>

#include "backends/cuda/kernels/device.cuh"

namespace tfengine::cuda {

namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int kTileH = kWarps, kTileW = 16;
constexpr int kStep = 32;        // depth of one mma
constexpr int kRowPad = 16;      // bytes: rows of weights and results begin in other banks
constexpr int kMaxColumns = 64;  // output channels of a block
constexpr int kMaxChannels = 4;
constexpr int kMaxKernel = 11;
constexpr size_t kMostShared = size_t{96} << 10;

__host__ __device__ constexpr int round_up(int x, int to) { return (x + to - 1) / to * to; }

struct Layout {
  int patch_h, patch_bytes, patch_pitch;  // a patch's rows; bytes used and apart
  int row_bytes, depth, pitch;            // of a window's kernel rows, of a window, and apart
  int columns, result_pitch;              // output channels of a block
  // Bytes from the beginning of shared memory.
  int weights, words, numbers, results, bytes;
};

Layout layout_of(const ConvShape& s) {
  const FirstConvPlan plan = first_conv_plan(s);
  Layout l{};
  l.patch_h = (kTileH - 1) * s.stride_h + s.kernel_h;
  l.patch_bytes = ((kTileW - 1) * s.stride_w + s.kernel_w) * s.in_c;
  // A kernel row that begins in the middle of a word reads one word more.
  l.patch_pitch = round_up((kTileW - 1) * s.stride_w * s.in_c + plan.row_bytes + 8, 4);
  l.row_bytes = plan.row_bytes;
  l.depth = plan.depth;
  l.pitch = plan.depth + kRowPad;
  l.columns = std::min(kMaxColumns, plan.out_c);
  l.result_pitch = l.columns + kRowPad;
  l.weights = round_up(l.patch_h * l.patch_pitch, 16);
  l.words = l.weights + l.columns * l.pitch;
  l.numbers = l.words + l.depth / 4 * static_cast<int>(sizeof(int));
  l.results = round_up(l.numbers + l.columns * static_cast<int>(sizeof(float2)), 16);
  l.bytes = l.results + kWarps * 16 * l.result_pitch;
  return l;
}

__device__ __forceinline__ void multiply(int (&acc)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(acc[0]), "+r"(acc[1]), "+r"(acc[2]), "+r"(acc[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <typename T>
__device__ __forceinline__ int8_t quantized(T x, float quantize) {
  if constexpr (sizeof(T) == 1) {
    return x;
  } else {
    return static_cast<int8_t>(round_s8(x * quantize));
  }
}

// The patch's bytes, a warp for each row.
template <typename T>
__device__ __forceinline__ void load_patch(const ConvShape& s, const Layout& l, const T* __restrict__ image,
                                           float quantize, int ih0, int byte0, int warp, int lane, int8_t* patch) {
  constexpr int kAhead = 4;  // loads in flight
  const int image_row = s.in_w * s.in_c;
  for (int row = warp; row < l.patch_h; row += kWarps) {
    const int ih = ih0 + row;
    const bool inside = ih >= 0 && ih < s.in_h;
    const T* from = image + static_cast<int64_t>(inside ? ih : 0) * image_row;
    int8_t* to = patch + row * l.patch_pitch;
    for (int first = lane; first < l.patch_bytes; first += 32 * kAhead) {
      T x[kAhead];
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int at = byte0 + first + 32 * i;
        x[i] = inside && at >= 0 && at < image_row && first + 32 * i < l.patch_bytes ? from[at] : T{0};
      }
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        if (first + 32 * i < l.patch_bytes) to[first + 32 * i] = quantized(x[i], quantize);
      }
    }
  }
}

// Four bytes of the patch at any address: `word` holds the first of them, behind `shift` bits.
__device__ __forceinline__ uint32_t window_word(const uint32_t* word, int shift) {
  return __funnelshift_r(word[0], word[1], shift);
}

// kPlain: no residual, and no activation but Relu in front of the rounding, so that two numbers per channel say all.
template <typename T, bool kPlain>
__global__ void __launch_bounds__(kThreads, 3)
    first(ConvShape s, Layout l, const T* __restrict__ src, float quantize, const int8_t* __restrict__ packed,
          ConvEpilogue epilogue, Target dst, int tiles_h, int tiles_w, int64_t tiles) {
  extern __shared__ __align__(16) char shared[];
  int8_t* patch = reinterpret_cast<int8_t*>(shared);
  int8_t* weights = reinterpret_cast<int8_t*>(shared) + l.weights;
  int* words = reinterpret_cast<int*>(shared + l.words);  // where a window's words lie in the patch, in words
  float2* numbers =
      reinterpret_cast<float2*>(shared + l.numbers);  // scale and offset of a channel, in the target's steps
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int first_column = static_cast<int>(blockIdx.y) * l.columns;
  for (int i = thread * 16; i < l.columns * l.depth; i += kThreads * 16) {
    const int column = i / l.depth;
    *reinterpret_cast<int4*>(weights + column * l.pitch + (i - column * l.depth)) =
        *reinterpret_cast<const int4*>(packed + static_cast<int64_t>(first_column) * l.depth + i);
  }
  // Behind the last kernel row the weights are zero, so that any bytes may stand there.
  for (int i = thread; i < l.depth / 4; i += kThreads) {
    const int r = i / (l.row_bytes / 4);
    words[i] = r < s.kernel_h ? r * (l.patch_pitch / 4) + i % (l.row_bytes / 4) : 0;
  }
  for (int i = thread; i < l.columns; i += kThreads) {
    const int c = first_column + i;
    const bool real = c < s.out_c;
    numbers[i] = make_float2(real ? epilogue.scale[c] * dst.inv_scale : 0.0f,
                             real && epilogue.bias != nullptr ? epilogue.bias[c] * dst.inv_scale : 0.0f);
  }
  const bool relu = epilogue.before.kind == ActKind::Relu || epilogue.after.kind == ActKind::Relu;
  // This lane's two pixels of a tile, eight apart in its row.
  const int byte_low = warp * s.stride_h * l.patch_pitch + lane / 4 * s.stride_w * s.in_c;
  const int byte_high = byte_low + 8 * s.stride_w * s.in_c;
  const uint32_t* low = reinterpret_cast<const uint32_t*>(patch) + byte_low / 4;
  const uint32_t* high = reinterpret_cast<const uint32_t*>(patch) + byte_high / 4;
  const int shift_low = byte_low % 4 * 8, shift_high = byte_high % 4 * 8;
  int8_t* results = reinterpret_cast<int8_t*>(shared) + l.results + warp * 16 * l.result_pitch;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int tw = static_cast<int>(tile % tiles_w);
    const int th = static_cast<int>(tile / tiles_w % tiles_h);
    const int64_t n = tile / tiles_w / tiles_h;
    __syncthreads();  // the last tile's patch was read; the tables are there
    load_patch(s, l, src + n * s.in_h * s.in_w * s.in_c, quantize, th * kTileH * s.stride_h - s.pad_top,
               (tw * kTileW * s.stride_w - s.pad_left) * s.in_c, warp, lane, patch);
    __syncthreads();
    int acc[kMaxColumns / 8][4] = {};
    for (int k = 0; k < l.depth / 4; k += kStep / 4) {
      const int left = words[k + lane % 4], right = words[k + lane % 4 + 4];
      const uint32_t a[4] = {window_word(low + left, shift_low), window_word(high + left, shift_high),
                             window_word(low + right, shift_low), window_word(high + right, shift_high)};
#pragma unroll
      for (int j = 0; j < kMaxColumns / 8; ++j) {
        if (j * 8 >= l.columns) break;
        const int8_t* column = weights + (j * 8 + lane / 4) * l.pitch + (k + lane % 4) * 4;
        const uint32_t b[2] = {*reinterpret_cast<const uint32_t*>(column),
                               *reinterpret_cast<const uint32_t*>(column + 16)};
        multiply(acc[j], a, b);
      }
    }
    // Results go through shared memory, so that a pixel's row is written in wide pieces.
    const int oh = th * kTileH + warp, ow0 = tw * kTileW;
#pragma unroll
    for (int j = 0; j < kMaxColumns / 8; ++j) {
      if (j * 8 >= l.columns) break;
      const int column = j * 8 + lane % 4 * 2;
      const float4 number = *reinterpret_cast<const float4*>(numbers + column);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int local = lane / 4 + half * 8;
        float x = static_cast<float>(acc[j][half * 2]), y = static_cast<float>(acc[j][half * 2 + 1]);
        if constexpr (kPlain) {
          x = fmaf(x, number.x, number.y);
          y = fmaf(y, number.z, number.w);
          if (relu) {
            x = fmaxf(x, 0.0f);
            y = fmaxf(y, 0.0f);
          }
        } else {
          const int64_t at = (n * s.out_h + oh) * s.out_w + ow0 + local;
          const bool inside = oh < s.out_h && ow0 + local < s.out_w;
          const int c = first_column + column;
          x = inside && c < s.out_c ? finish(epilogue, x, at, c) * dst.inv_scale : 0.0f;
          y = inside && c + 1 < s.out_c ? finish(epilogue, y, at, c + 1) * dst.inv_scale : 0.0f;
        }
        *reinterpret_cast<char2*>(results + local * l.result_pitch + column) =
            make_char2(static_cast<signed char>(round_s8(x)), static_cast<signed char>(round_s8(y)));
      }
    }
    __syncwarp();
    if (oh < s.out_h) {
      int8_t* row = static_cast<int8_t*>(dst.data) + ((n * s.out_h + oh) * s.out_w + ow0) * dst.pitch + first_column;
      const auto store_row = [&](auto piece) {
        using Piece = decltype(piece);
        constexpr int kBytes = static_cast<int>(sizeof(Piece));
        const int pieces = l.columns / kBytes;
        for (int i = lane; i < 16 * pieces; i += 32) {
          const int local = i / pieces, column = (i - local * pieces) * kBytes;
          if (ow0 + local >= s.out_w || first_column + column >= dst.pitch) continue;
          *reinterpret_cast<Piece*>(row + local * dst.pitch + column) =
              *reinterpret_cast<const Piece*>(results + local * l.result_pitch + column);
        }
      };
      if (dst.pitch % 16 == 0 && l.columns % 16 == 0) {
        store_row(int4{});
      } else {
        store_row(int{});
      }
    }
    __syncwarp();
  }
}

bool is_plain(const ConvEpilogue& e) {
  const auto simple = [](const Act& act) { return act.kind == ActKind::None || act.kind == ActKind::Relu; };
  return e.scale != nullptr && e.residual.data == nullptr && simple(e.before) && simple(e.after);
}

template <typename T, bool kPlain>
void launch(cudaStream_t stream, const ConvShape& shape, const T* src, float quantize, const void* packed,
            const ConvEpilogue& epilogue, const Target& dst) {
  const Layout layout = layout_of(shape);
  const int tiles_h = (shape.out_h + kTileH - 1) / kTileH, tiles_w = (shape.out_w + kTileW - 1) / kTileW;
  const int64_t tiles = static_cast<int64_t>(shape.batch) * tiles_h * tiles_w;
  const auto bytes = static_cast<size_t>(layout.bytes);
  const auto kernel = first<T, kPlain>;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, layout.bytes), "first_conv");
  int gpu = 0, processors = 0, resident = 0;
  check_cuda(cudaGetDevice(&gpu), "first_conv");
  check_cuda(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, gpu), "first_conv");
  check_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, kThreads, bytes), "first_conv");
  const int columns = (first_conv_plan(shape).out_c + layout.columns - 1) / layout.columns;
  const int64_t blocks = std::min<int64_t>(tiles, static_cast<int64_t>(processors) * std::max(1, resident));
  kernel<<<dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(columns)), kThreads, bytes, stream>>>(
      shape, layout, src, quantize, static_cast<const int8_t*>(packed), epilogue, dst, tiles_h, tiles_w, tiles);
  check_launch("first_conv");
}

template <typename T>
void launch(cudaStream_t stream, const ConvShape& shape, const T* src, float quantize, const void* packed,
            const ConvEpilogue& epilogue, const Target& dst) {
  if (is_plain(epilogue)) {
    launch<T, true>(stream, shape, src, quantize, packed, epilogue, dst);
  } else {
    launch<T, false>(stream, shape, src, quantize, packed, epilogue, dst);
  }
}

}  // namespace

bool first_conv_takes(const ConvShape& s) {
  if (s.in_c > kMaxChannels || s.groups != 1 || s.dilation_h != 1 || s.dilation_w != 1) return false;
  if (s.kernel_h > kMaxKernel || s.kernel_w > kMaxKernel) return false;
  return static_cast<size_t>(layout_of(s).bytes) <= kMostShared;
}

FirstConvPlan first_conv_plan(const ConvShape& s) {
  FirstConvPlan plan;
  plan.row_bytes = round_up(s.kernel_w * s.in_c, 4);
  plan.depth = round_up(s.kernel_h * plan.row_bytes, kStep);
  plan.out_c = round_up(s.out_c, 8);
  if (plan.out_c > kMaxColumns) plan.out_c = round_up(plan.out_c, kMaxColumns);
  return plan;
}

void first_conv_pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  const FirstConvPlan plan = first_conv_plan(s);
  const auto run = static_cast<size_t>(s.kernel_w * s.in_c);
  std::memset(packed, 0, plan.packed_bytes());
  for (int k = 0; k < s.out_c; ++k) {
    for (int r = 0; r < s.kernel_h; ++r) {
      std::memcpy(packed + static_cast<size_t>(k) * plan.depth + r * plan.row_bytes,
                  weights + (static_cast<size_t>(k) * s.kernel_h + r) * run, run);
    }
  }
}

void first_conv(cudaStream_t stream, const ConvShape& shape, const View& src, float quantize, const void* packed,
                const ConvEpilogue& epilogue, const Target& dst) {
  if (src.elem == Elem::F32) {
    launch(stream, shape, static_cast<const float*>(src.data), quantize, packed, epilogue, dst);
  } else {
    launch(stream, shape, static_cast<const int8_t*>(src.data), quantize, packed, epilogue, dst);
  }
}

}  // namespace tfengine::cuda
