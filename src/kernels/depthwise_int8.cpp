// SPDX-License-Identifier: Apache-2.0
// INT8 depthwise convolution. Without a dot-product instruction the widest exact product of 8-bit values is vpmaddwd:
// two 16-bit products summed into 32 bits. So input rows 2p and 2p + 1 are widened and interleaved once ("pair row" p)
// into a ring that stays in the first-level cache, with the padding written as zeros, and every output row is a sum over
// pair rows. An output row that starts at an odd row takes the same pair rows with weights shifted by one row.
#include <cmath>
#include <cstring>

#include "kernels/depthwise_plan.h"
#include "kernels/eltwise_clamp.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/epilogue_hwy-inl.h"

#ifndef TFENGINE_KERNELS_DEPTHWISE_INT8_ONCE
#define TFENGINE_KERNELS_DEPTHWISE_INT8_ONCE
namespace tfengine::kernels {

struct DepthwiseInt8Args {
  const DepthwiseShape* shape;
  const DepthwisePlan* plan;
  bool src_signed;
  const uint8_t* src;
  const int8_t* weights;
  const Epilogue* epilogue;
  uint8_t* dst;
};

inline size_t round_up_64(size_t n) { return (n + 63) / 64 * 64; }

// Where the parts of one thread's workspace lie; `lanes` is the number of 16-bit lanes of a vector.
struct DepthwiseInt8Layout {
  int64_t pair_rows;  // that one output row touches
  int64_t tile_cols;  // output columns of a tile
  int64_t ring_cols;  // input columns of a tile
  size_t weights_at, constants_at, acc_at, taps_at, bytes;

  DepthwiseInt8Layout(const DepthwiseShape& s, int64_t lanes) {
    // Three quarters of the smallest first-level data cache (32 KiB) for the ring; weights and results use the rest.
    constexpr int64_t kRingBytes = 24 * 1024;
    pair_rows = s.kernel_h / 2 + 1;
    const int64_t col_bytes = 4 * lanes;
    const int64_t span = (s.kernel_w - 1) * s.dilation_w + 1;
    const int64_t cols = kRingBytes / (col_bytes * pair_rows);
    // At least 8 columns: a tile's overlap with its neighbour is paid for by them.
    tile_cols = std::clamp<int64_t>((cols - span) / s.stride_w + 1, 8, std::max<int64_t>(s.out_w, 8));
    ring_cols = (tile_cols - 1) * s.stride_w + span;
    weights_at = round_up_64(static_cast<size_t>(pair_rows * ring_cols * col_bytes));
    constants_at = weights_at + round_up_64(static_cast<size_t>(2 * pair_rows * s.kernel_w * col_bytes));
    acc_at = constants_at + round_up_64(static_cast<size_t>(lanes * 8));
    taps_at = acc_at + round_up_64(static_cast<size_t>(tile_cols * lanes * 4));
    bytes = taps_at + round_up_64(static_cast<size_t>(pair_rows * s.kernel_w) * sizeof(void*));
  }
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 32 channels are a vector of AVX-512; longer vectors would not help tensors of fewer channels.
using D16 = hn::CappedTag<int16_t, 32>;
using D32 = hn::RepartitionToWide<D16>;
using DF = hn::RebindToFloat<D32>;
using V32 = hn::Vec<D32>;

size_t depthwise_lanes() { return hn::Lanes(D16()); }

// What computing rows of one channel block needs.
struct Block {
  int64_t channel, channels;  // first output channel, and how many of them exist
  const int16_t* weights[2];  // for output rows that start at an even, an odd virtual row
  const float* scale;         // times the destination's inverse scale, in the order of the accumulators
  const float* bias;
  float* acc;
  bool fast;  // results cannot leave +-2^22, and only clamping is left to do
  int16_t low, high;
};

// Widened channels `from .. from + lanes` of one pixel. Only `valid` bytes may be read.
template <class T>
HWY_INLINE hn::Vec<D16> load_pixel(const T* from, int64_t valid) {
  const hn::Rebind<T, D16> d8;
  if (HWY_LIKELY(valid >= static_cast<int64_t>(hn::Lanes(d8)))) return hn::PromoteTo(D16(), hn::LoadU(d8, from));
  HWY_ALIGN T bytes[32] = {};
  std::memcpy(bytes, from, static_cast<size_t>(std::max<int64_t>(valid, 0)));
  return hn::PromoteTo(D16(), hn::Load(d8, bytes));
}

// Depth multipliers above 1: lane i takes input channel (channel + i) / multiplier. Rare, so not vectorised.
template <class T>
HWY_INLINE hn::Vec<D16> gather_pixel(const T* pixel, const Block& b, int64_t multiplier) {
  HWY_ALIGN int16_t wide[32] = {};
  for (int64_t i = 0; i < b.channels; ++i) wide[i] = pixel[(b.channel + i) / multiplier];
  return hn::Load(D16(), wide);
}

// Writes columns [u0, u0 + ring_cols) of the pair row of virtual rows v and v + 1. Columns count from the left padding.
template <class T>
void expand_pair(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const Block& b, int64_t v, int64_t u0,
                 int64_t cols, int16_t* HWY_RESTRICT ring) {
  const DepthwiseShape& s = *args.shape;
  const D16 d16;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const int64_t step = s.src_pixel_stride;
  const T* image = reinterpret_cast<const T*>(args.src) + unit.image * s.in_h * s.in_w * step;
  const T* end = reinterpret_cast<const T*>(args.src) + (s.batch * s.in_h * s.in_w - 1) * step + s.channels;
  alignas(64) static const uint8_t zeros[64] = {};
  const T* row[2];
  int64_t row_step[2];
  int64_t safe_cols = s.in_w;  // pixels before this one may be read a whole vector at a time
  for (int i = 0; i < 2; ++i) {
    const int64_t y = unit.first_in_row + (v + i) * args.plan->row_step;
    const bool inside = y >= 0 && y < s.in_h;
    row[i] = inside ? image + y * s.in_w * step : reinterpret_cast<const T*>(zeros);
    row_step[i] = inside ? step : 0;
    if (inside && s.multiplier == 1) {
      row[i] += b.channel;
      safe_cols = std::min(safe_cols, end - row[i] < lanes ? 0 : (end - row[i] - lanes) / step + 1);
    }
  }
  const auto store = [&](int64_t col, hn::Vec<D16> first, hn::Vec<D16> second) HWY_ATTR {
    hn::Store(hn::InterleaveLower(d16, first, second), d16, ring + col * 2 * lanes);
    hn::Store(hn::InterleaveUpper(d16, first, second), d16, ring + col * 2 * lanes + lanes);
  };
  const int64_t begin = std::clamp<int64_t>(s.pad_left - u0, 0, cols);              // first column inside the image
  const int64_t stop = std::clamp<int64_t>(s.in_w + s.pad_left - u0, begin, cols);  // first column behind it
  for (int64_t col = 0; col < begin; ++col) store(col, hn::Zero(d16), hn::Zero(d16));
  for (int64_t col = stop; col < cols; ++col) store(col, hn::Zero(d16), hn::Zero(d16));
  const int64_t x0 = u0 - s.pad_left;  // input column of ring column 0
  int64_t col = begin;
  if (s.multiplier != 1) {
    for (; col < stop; ++col) {
      const auto take = [&](int i) HWY_ATTR {
        return row_step[i] == 0 ? hn::Zero(d16) : gather_pixel(row[i] + (x0 + col) * step, b, s.multiplier);
      };
      store(col, take(0), take(1));
    }
    return;
  }
  const hn::Rebind<T, D16> d8;
  const T* p0 = row[0] + (x0 + col) * row_step[0];
  const T* p1 = row[1] + (x0 + col) * row_step[1];
  const int64_t safe = std::min(stop, safe_cols - x0);
  for (; col < safe; ++col, p0 += row_step[0], p1 += row_step[1]) {
    store(col, hn::PromoteTo(d16, hn::LoadU(d8, p0)), hn::PromoteTo(d16, hn::LoadU(d8, p1)));
  }
  for (; col < stop; ++col, p0 += row_step[0], p1 += row_step[1]) {
    store(col, load_pixel(p0, row_step[0] == 0 ? lanes : end - p0),
          load_pixel(p1, row_step[1] == 0 ? lanes : end - p1));
  }
}

// Sums of kPixels neighbouring output pixels, in the order of InterleaveLower and InterleaveUpper. taps[t] is where tap t of
// output column 0 begins in the ring. The loop over taps must not be unrolled at compile time: the compiler would reorder
// the additions and run out of registers.
template <int kPixels>
HWY_INLINE void accumulate(const int16_t* const* taps, int64_t num_taps, int64_t col, const int16_t* HWY_RESTRICT w,
                           int64_t pixel_step, V32 (&lo)[kPixels], V32 (&hi)[kPixels]) {
  const D16 d16;
  const D32 d32;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  V32 lo2[kPixels], hi2[kPixels];  // used where a product's two halves are summed apart (not on x86)
#pragma GCC unroll 4
  for (int q = 0; q < kPixels; ++q) lo[q] = hi[q] = lo2[q] = hi2[q] = hn::Zero(d32);
  for (int64_t t = 0; t < num_taps; ++t, w += 2 * lanes) {
    const int16_t* pixel = taps[t] + col;
    const auto w_lo = hn::Load(d16, w);
    const auto w_hi = hn::Load(d16, w + lanes);
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q, pixel += pixel_step) {
      lo[q] = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, pixel), w_lo, lo[q], lo2[q]);
      hi[q] = hn::ReorderWidenMulAccumulate(d32, hn::Load(d16, pixel + lanes), w_hi, hi[q], hi2[q]);
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < kPixels; ++q) {
    lo[q] = hn::RearrangeToOddPlusEven(lo[q], lo2[q]);
    hi[q] = hn::RearrangeToOddPlusEven(hi[q], hi2[q]);
  }
}

// What store_fast keeps in registers: results are bytes, which the compiler must assume to overwrite anything in memory.
struct FastStore {
  hn::Vec<DF> scale_lo, scale_hi, bias_lo, bias_hi;
  hn::Vec<D16> low, high;
  int64_t channels;

  explicit FastStore(const Block& b) : channels(b.channels) {
    const DF df;
    const size_t n = hn::Lanes(df);
    scale_lo = hn::Load(df, b.scale), scale_hi = hn::Load(df, b.scale + n);
    bias_lo = hn::Load(df, b.bias), bias_hi = hn::Load(df, b.bias + n);
    low = hn::Set(D16(), b.low), high = hn::Set(D16(), b.high);
  }
};

template <class T>
HWY_INLINE void store_fast(const FastStore& f, V32 lo, V32 hi, T* HWY_RESTRICT dst) {
  const D16 d16;
  const DF df;
  const hn::Rebind<T, D16> d8;
  const auto x_lo = hn::MulAdd(hn::ConvertTo(df, lo), f.scale_lo, f.bias_lo);
  const auto x_hi = hn::MulAdd(hn::ConvertTo(df, hi), f.scale_hi, f.bias_hi);
  auto x = hn::ReorderDemote2To(d16, round_small(df, x_lo), round_small(df, x_hi));
  x = hn::Min(hn::Max(x, f.low), f.high);
  const auto bytes = hn::DemoteTo(d8, x);
  if (HWY_LIKELY(f.channels == static_cast<int64_t>(hn::Lanes(d16)))) {
    hn::StoreU(bytes, d8, dst);
    return;
  }
  HWY_ALIGN T all[32];
  hn::Store(bytes, d8, all);
  if (f.channels == 8) {  // half blocks are common: 24, 40, 72, 88, 120, 184, 200 channels
    std::memcpy(dst, all, 8);
  } else {
    std::memcpy(dst, all, static_cast<size_t>(f.channels));
  }
}

// Sums as floats in channel order, for what store_fast cannot do. Sums stay exact: |sum| < 2^24 up to 518 taps, and
// beyond that the conversion rounds like any float arithmetic after it.
HWY_INLINE void store_sums(V32 lo, V32 hi, float* HWY_RESTRICT acc) {
  const D32 d32;
  const DF df;
  const size_t n = hn::Lanes(df);
  constexpr size_t kBlockLanes = 4;  // of 32 bits in a 128-bit block, the unit of the interleaving
  HWY_ALIGN float sums[64];
  hn::Store(hn::ConvertTo(df, lo), df, sums);
  hn::Store(hn::ConvertTo(df, hi), df, sums + n);
  (void)d32;
  for (size_t i = 0; i < n; i += kBlockLanes) {
    std::memcpy(acc + 2 * i, sums + i, 16);
    std::memcpy(acc + 2 * i + kBlockLanes, sums + n + i, 16);
  }
}

template <bool kFast, class T>
void compute_row(const DepthwiseShape& s, const Block& b, const int16_t* const* taps, int64_t num_taps,
                 const int16_t* w, int64_t cols, T* dst) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  const int64_t pixel_step = s.stride_w * 2 * lanes;
  const int64_t dst_step = s.dst_pixel_stride;
  float* acc = b.acc;
  const FastStore fast(b);
  const auto run = [&](auto pixels, int64_t x) HWY_ATTR {
    constexpr int kPixels = decltype(pixels)::value;
    V32 lo[kPixels], hi[kPixels];
    accumulate<kPixels>(taps, num_taps, x * pixel_step, w, pixel_step, lo, hi);
#pragma GCC unroll 4
    for (int q = 0; q < kPixels; ++q) {
      if constexpr (kFast) {
        store_fast(fast, lo[q], hi[q], dst + (x + q) * dst_step);
      } else {
        store_sums(lo[q], hi[q], acc + (x + q) * lanes);
      }
    }
  };
  int64_t x = 0;
  for (; x + 4 <= cols; x += 4) run(std::integral_constant<int, 4>(), x);
  if (cols - x >= 2) run(std::integral_constant<int, 2>(), x), x += 2;
  if (cols - x >= 1) run(std::integral_constant<int, 1>(), x);
}

// Weights of one block, interleaved like the ring, for even and odd starts.
void prepare_weights(const DepthwiseShape& s, int64_t out_channels, const int8_t* weights, const Block& b,
                     int64_t pairs, int16_t* even, int16_t* odd) {
  const D16 d16;
  const hn::Rebind<int8_t, D16> d8;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d16));
  const bool full = b.channels == lanes;
  for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
    const int8_t* column = weights + kx * out_channels + b.channel;
    const auto row = [&](int64_t ky) HWY_ATTR {
      if (ky >= s.kernel_h) return hn::Zero(d16);
      const int8_t* from = column + ky * s.kernel_w * out_channels;
      return full ? hn::PromoteTo(d16, hn::LoadU(d8, from)) : load_pixel(from, b.channels);
    };
    auto above = hn::Zero(d16);
    for (int64_t p = 0; p < pairs; ++p) {
      const int64_t at = (p * s.kernel_w + kx) * 2 * lanes;
      const auto first = row(2 * p), second = row(2 * p + 1);
      hn::Store(hn::InterleaveLower(d16, first, second), d16, even + at);
      hn::Store(hn::InterleaveUpper(d16, first, second), d16, even + at + lanes);
      hn::Store(hn::InterleaveLower(d16, above, first), d16, odd + at);
      hn::Store(hn::InterleaveUpper(d16, above, first), d16, odd + at + lanes);
      above = second;
    }
  }
}

// Scale and bias in the order of the accumulators, and whether store_fast will do.
void prepare_constants(const DepthwiseInt8Args& args, float* scale, float* bias, Block& b) {
  const Epilogue& e = *args.epilogue;
  const DF df;
  const int64_t half = static_cast<int64_t>(hn::Lanes(df)), lanes = 2 * half;
  HWY_ALIGN float in_order[2][32] = {};
  for (int64_t i = 0; i < b.channels; ++i) in_order[0][i] = e.scale ? e.scale[b.channel + i] : 1.0f;
  if (e.bias) std::memcpy(in_order[1], e.bias + b.channel, static_cast<size_t>(b.channels) * sizeof(float));
  // No sum is above this, whatever the weights.
  const float most = (args.src_signed ? 128.0f : 255.0f) * 128.0f * static_cast<float>(args.shape->kernel_h) *
                     static_cast<float>(args.shape->kernel_w);
  bool small = true;
  const auto inv_scale = hn::Set(df, e.dst_inv_scale);
  for (int64_t i = 0; i < lanes; i += half) {
    const auto vs = hn::Mul(hn::Load(df, in_order[0] + i), inv_scale);
    const auto vb = hn::Mul(hn::Load(df, in_order[1] + i), inv_scale);
    hn::Store(vs, df, in_order[0] + i);
    hn::Store(vb, df, in_order[1] + i);
    const auto worst = hn::MulAdd(hn::Abs(vs), hn::Set(df, most), hn::Abs(vb));
    // 2^21 leaves a factor of 2 for the rounding of this bound itself. Not true of NaN.
    small = small && hn::AllTrue(df, hn::Lt(worst, hn::Set(df, 2097152.0f)));
  }
  // Groups of four lanes (128 bits) alternate between the lower and the upper half, as InterleaveLower and -Upper do.
  for (int64_t quad = 0; quad < lanes / 4; ++quad) {
    const int64_t at = (quad % 2) * half + quad / 2 * 4;
    std::memcpy(scale + at, in_order[0] + quad * 4, 4 * sizeof(float));
    std::memcpy(bias + at, in_order[1] + quad * 4, 4 * sizeof(float));
  }
  ClampRange range;
  b.fast = small && e.dst_elem != Elem::F32 && e.dst_inv_scale > 0 && only_clamps(e, range);
  const ClampSteps steps = b.fast ? ClampSteps(range, e.dst_elem, e.dst_inv_scale) : ClampSteps();
  b.low = steps.low;
  b.high = steps.high;
}

template <class T>
void run_block(const DepthwiseInt8Args& args, const DepthwisePlan::Unit& unit, const DepthwiseInt8Layout& layout,
               Block& b, uint8_t* scratch) {
  const DepthwiseShape& s = *args.shape;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  int16_t* ring = reinterpret_cast<int16_t*>(scratch);
  const int64_t ring_row = layout.ring_cols * 2 * lanes;
  const int64_t pairs = layout.pair_rows, num_taps = pairs * s.kernel_w;
  const size_t dst_bytes = args.epilogue->dst_elem == Elem::F32 ? 4 : 1;
  const int16_t** taps = reinterpret_cast<const int16_t**>(scratch + layout.taps_at);
  for (int64_t x0 = 0; x0 < s.out_w; x0 += layout.tile_cols) {
    const int64_t cols = std::min(layout.tile_cols, s.out_w - x0);
    const int64_t in_cols = (cols - 1) * s.stride_w + (s.kernel_w - 1) * s.dilation_w + 1;
    int64_t next_pair = unit.first_v / 2;
    for (int64_t t = 0; t < unit.rows; ++t) {
      const int64_t v = unit.first_v + t * args.plan->v_stride;
      // A start that skips pair rows (a stride above the kernel's height) leaves them unbuilt.
      next_pair = std::max(next_pair, v / 2);
      for (; next_pair < v / 2 + pairs; ++next_pair) {
        int16_t* to = ring + next_pair % pairs * ring_row;
        expand_pair<T>(args, unit, b, 2 * next_pair, x0 * s.stride_w, in_cols, to);
      }
      for (int64_t p = 0; p < pairs; ++p) {
        for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
          taps[p * s.kernel_w + kx] = ring + (v / 2 + p) % pairs * ring_row + kx * s.dilation_w * 2 * lanes;
        }
      }
      const int64_t y = unit.first_out_row + t * args.plan->class_step;
      const int64_t pixel = (unit.image * s.out_h + y) * s.out_w + x0;
      uint8_t* dst = args.dst + (pixel * s.dst_pixel_stride + b.channel) * static_cast<int64_t>(dst_bytes);
      const int16_t* w = b.weights[v % 2];
      if (!b.fast) {
        compute_row<false>(s, b, taps, num_taps, w, cols, dst);
      } else if (args.epilogue->dst_elem == Elem::S8) {
        compute_row<true>(s, b, taps, num_taps, w, cols, reinterpret_cast<int8_t*>(dst));
      } else {
        compute_row<true>(s, b, taps, num_taps, w, cols, dst);
      }
      if (!b.fast) {
        epilogue_tile<float>(*args.epilogue,
                             {b.acc, lanes, cols, b.channels, pixel, b.channel, args.dst, s.dst_pixel_stride});
      }
    }
  }
}

void depthwise_units(const DepthwiseInt8Args& args, const DepthwiseInt8Layout& layout, int64_t begin, int64_t end,
                     uint8_t* scratch) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D16()));
  const DepthwiseShape& s = *args.shape;
  const int64_t out_channels = args.plan->out_channels;
  int16_t* even = reinterpret_cast<int16_t*>(scratch + layout.weights_at);
  int16_t* odd = even + layout.pair_rows * s.kernel_w * 2 * lanes;
  float* scale = reinterpret_cast<float*>(scratch + layout.constants_at);
  float* bias = scale + lanes;
  for (int64_t i = begin; i < end; ++i) {
    const DepthwisePlan::Unit unit = args.plan->unit(s, i);
    if (unit.rows == 0) continue;
    const int64_t last = std::min((unit.group + 1) * kDepthwiseGroup, out_channels);
    for (int64_t c = unit.group * kDepthwiseGroup; c < last; c += lanes) {
      Block b;
      b.channel = c;
      b.channels = std::min(lanes, last - c);
      b.weights[0] = even;
      b.weights[1] = odd;
      b.scale = scale;
      b.bias = bias;
      b.acc = reinterpret_cast<float*>(scratch + layout.acc_at);
      prepare_weights(s, out_channels, args.weights, b, layout.pair_rows, even, odd);
      prepare_constants(args, scale, bias, b);
      if (args.src_signed) {
        run_block<int8_t>(args, unit, layout, b, scratch);
      } else {
        run_block<uint8_t>(args, unit, layout, b, scratch);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(depthwise_lanes);
HWY_EXPORT(depthwise_units);

DepthwiseInt8Layout layout_of(const DepthwiseShape& shape) {
  return DepthwiseInt8Layout(shape, static_cast<int64_t>(HWY_DYNAMIC_DISPATCH(depthwise_lanes)()));
}

}  // namespace

size_t depthwise_int8_packed_bytes(const DepthwiseShape& s) {
  return static_cast<size_t>(s.kernel_h * s.kernel_w * s.channels * s.multiplier);
}

// TensorFlow's order is already the one that vectors over channels want.
void depthwise_int8_pack(const DepthwiseShape& s, const int8_t* weights, void* packed) {
  std::memcpy(packed, weights, depthwise_int8_packed_bytes(s));
}

size_t depthwise_int8_workspace_bytes(const DepthwiseShape& shape, int threads) {
  return layout_of(shape).bytes * static_cast<size_t>(std::max(threads, 1));
}

void depthwise_int8_run(const DepthwiseShape& shape, Elem src_elem, const void* src, const void* packed,
                        const Epilogue& epilogue, void* dst, void* workspace, int threads) {
  if (shape.batch * shape.out_h * shape.out_w * shape.channels == 0) return;
  const DepthwiseInt8Layout layout = layout_of(shape);
  const DepthwisePlan plan = plan_depthwise(shape, 1, threads);
  const DepthwiseInt8Args args{&shape,
                               &plan,
                               src_elem == Elem::S8,
                               static_cast<const uint8_t*>(src),
                               static_cast<const int8_t*>(packed),
                               &epilogue,
                               static_cast<uint8_t*>(dst)};
  // About 0.05 ns per tap and channel on one 3.5 GHz AVX2 core.
  const double total_ns = 0.05 * static_cast<double>(shape.batch * shape.out_h * shape.out_w * plan.out_channels *
                                                     shape.kernel_h * shape.kernel_w);
  parallel_ranges(plan.units, useful_threads(threads, total_ns, plan.units),
                  [&](int64_t begin, int64_t end, int thread) {
                    uint8_t* scratch = static_cast<uint8_t*>(workspace) + layout.bytes * static_cast<size_t>(thread);
                    HWY_DYNAMIC_DISPATCH(depthwise_units)(args, layout, begin, end, scratch);
                  });
}

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
