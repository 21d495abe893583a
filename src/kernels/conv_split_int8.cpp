// SPDX-License-Identifier: Apache-2.0
// 1x1 convolutions and dense layers for CPUs whose 8-bit multiply-add saturates: 7 bits of each source value go through it
// safely (gemm_quads-inl.h); the eighth is handled apart. u8 value = low 7 bits + 128 * top bit; s8 value = (value + 64)
// - 64, and value + 64 = low 7 bits + 128 * m with m in {-1, 0, 1}. Values of activations crowd near 0, so few have a top
// bit or an m (1 to 3 %): these are listed once, and their products added one by one. Exact for any data, but slow when
// most values are large.
#include "kernels/conv_int8_kernel.h"

#include <cstring>

#include "kernels/conv_plan.h"
#include "kernels/epilogue_tile.h"
#include "kernels/pack.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_split_int8.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/gemm_quads-inl.h"

#ifndef TFENGINE_KERNELS_CONV_SPLIT_INT8_ONCE
#define TFENGINE_KERNELS_CONV_SPLIT_INT8_ONCE
namespace tfengine::kernels {

// The packed form, per block of output channels: 64-bit words with a bit per octet of inputs whose sums may need more than
// 16 bits, for all blocks; then the weights, [block][quad][output][input of the quad].
struct SplitPacked {
  int64_t octets, mask_words, weights_at, block_bytes;
  SplitPacked(int64_t in_c, int64_t oc_blocks)
      : octets(ceil_div(in_c, 8)),
        mask_words(ceil_div(octets, 64)),
        weights_at(oc_blocks * mask_words * 8),
        block_bytes(octets * 8 * kOcBlock) {}
};

// The inputs of one quad of one pixel whose eighth bit counts: bit i is input i. A pixel has an even number of entries: the
// last may be empty.
struct SplitEntry {
  uint32_t weights_at;  // of the quad, from the block's first
  uint8_t plus, minus;
  uint16_t unused;
};
static_assert(sizeof(SplitEntry) == 8);
constexpr int64_t kMaxSplitChannels = 4 * 65536;

// Pixels whose sums wait in the first-level cache for one call of the epilogue.
constexpr int64_t kSplitGroup = 40;

using SplitArgs = ConvInt8Part<ConvPlan>;

// Chunks of pixels, and where the parts of a thread's scratch lie.
struct SplitScratch {
  int64_t all_pixels, chunk_pixels, chunks;
  int64_t pitch;  // bytes from a pixel of the copy to the next
  size_t copy_at = 0, starts_at, entries_at, bytes;

  explicit SplitScratch(const ConvPlan& p) {
    // A sixth of the second-level cache for the copy and the results, which are written a block of channels at a time;
    // entries take twice as much in the worst case.
    constexpr int64_t kCopyBytes = 80 * 1024;
    all_pixels = p.shape.batch * p.shape.out_h * p.shape.out_w;
    pitch = round_up(p.in_c, 8);
    const int64_t share = ceil_div(all_pixels, p.threads_m);
    const int64_t most = std::max<int64_t>(kCopyBytes / (pitch + p.out_c) / kSplitGroup, 1) * kSplitGroup;
    chunk_pixels = ceil_div(share, ceil_div(share, most));
    chunks = ceil_div(all_pixels, chunk_pixels);

    const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
    starts_at = align(chunk_pixels * pitch);
    entries_at = starts_at + align((chunk_pixels + 1) * 4);
    bytes = entries_at + align(chunk_pixels * (pitch / 4) * static_cast<int64_t>(sizeof(SplitEntry)));
  }
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// Which of 64 neighbouring inputs have an eighth bit to add or to subtract, one bit each.
struct EighthBits {
  uint64_t plus, minus;
};
inline constexpr int64_t kSplitStep = 64;

// Stores the low 7 bits of kSplitStep inputs.
#if HWY_TARGET == HWY_SCALAR
template <bool kSigned>
HWY_INLINE EighthBits split_step(const uint8_t* src, uint8_t* dst) {
  EighthBits bits{0, 0};
  for (int i = 0; i < kSplitStep; ++i) {
    const auto x = static_cast<uint8_t>(src[i] + (kSigned ? 64 : 0));
    dst[i] = x & 0x7F;
    (kSigned && x > 191 ? bits.minus : bits.plus) |= static_cast<uint64_t>(x >> 7) << i;
  }
  return bits;
}
#else
template <bool kSigned>
HWY_INLINE EighthBits split_step(const uint8_t* src, uint8_t* dst) {
  const hn::CappedTag<uint8_t, 64> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d));
  // Exactly the bytes that StoreMaskBits writes: a wider load would wait for the store to leave the store buffer.
  using MaskBits = std::conditional_t<kLanes == 64, uint64_t, std::conditional_t<kLanes == 32, uint32_t, uint16_t>>;
  const auto mask_bits = [&](auto mask) {
    MaskBits bits;
    hn::StoreMaskBits(d, mask, reinterpret_cast<uint8_t*>(&bits));
    return static_cast<uint64_t>(bits);
  };
  EighthBits bits{0, 0};
#pragma GCC unroll 4
  for (int at = 0; at < kSplitStep; at += kLanes) {
    auto x = hn::LoadU(d, src + at);
    if constexpr (kSigned) x = hn::Add(x, hn::Set(d, 64));
    hn::StoreU(hn::And(x, hn::Set(d, 0x7F)), d, dst + at);
    bits.plus |= mask_bits(hn::Gt(x, hn::Set(d, 0x7F))) << at;
    // With the offset, x in [192, 255] stands for a negative value + 64.
    if constexpr (kSigned) bits.minus |= mask_bits(hn::Gt(x, hn::Set(d, 191))) << at;
  }
  bits.plus &= ~bits.minus;
  return bits;
}
#endif

// Copies the low 7 bits of one pixel's n inputs and appends entries for the rest.
template <bool kSigned>
SplitEntry* split_pixel(const uint8_t* HWY_RESTRICT src, int64_t n, uint8_t* HWY_RESTRICT dst, SplitEntry* out) {
  const SplitEntry* first = out;
  const auto append = [&](EighthBits bits, int64_t c) {
    for (uint64_t left = bits.plus | bits.minus; left != 0;) {
      const int64_t i = static_cast<int64_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(left)) / 4 * 4;
      left &= ~(uint64_t{15} << i);
      *out++ = {static_cast<uint32_t>((c + i) / 4 * kQuadBytes), static_cast<uint8_t>(bits.plus >> i & 15),
                static_cast<uint8_t>(bits.minus >> i & 15), 0};
    }
  };
  int64_t c = 0;
  for (; c + kSplitStep <= n; c += kSplitStep) append(split_step<kSigned>(src + c, dst + c), c);
  if (c < n) {
    uint8_t from[kSplitStep] = {}, to[kSplitStep];
    std::memcpy(from, src + c, static_cast<size_t>(n - c));
    append(split_step<kSigned>(from, to), c);
    std::memcpy(dst + c, to, static_cast<size_t>(round_up(n - c, 8)));
  }
  if ((out - first) % 2 != 0) *out++ = {0, 0, 0, 0};
  return out;
}

// Pixels [begin, begin + n) of the convolution's output, row by row; pixel i's entries are [starts[i], starts[i + 1]).
template <bool kSigned>
void split_chunk(const ConvPlan& p, const uint8_t* src, int64_t begin, int64_t n, int64_t pitch, uint8_t* copy,
                 uint32_t* starts, SplitEntry* entries) {
  const ConvShape& s = p.shape;
  int64_t col = begin % s.out_w;
  int64_t row = begin / s.out_w % s.out_h;
  int64_t image = begin / s.out_w / s.out_h;
  SplitEntry* out = entries;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t pixel = (image * s.in_h + row * p.step_h) * s.in_w + col * p.step_w;
    starts[i] = static_cast<uint32_t>(out - entries);
    out = split_pixel<kSigned>(src + pixel * s.src_pixel_stride, p.in_c, copy + i * pitch, out);
    if (++col < s.out_w) continue;
    col = 0;
    if (++row < s.out_h) continue;
    row = 0;
    ++image;
  }
  starts[n] = static_cast<uint32_t>(out - entries);
}

// Bytes 0 or 1 from the bits of a nibble.
constexpr uint32_t kNibbleBytes[16] = {0x00000000, 0x00000001, 0x00000100, 0x00000101, 0x00010000, 0x00010001,
                                       0x00010100, 0x00010101, 0x01000000, 0x01000001, 0x01000100, 0x01000101,
                                       0x01010000, 0x01010001, 0x01010100, 0x01010101};

// The sum of one pixel's flagged weights, 32 values. In registers: sums in memory would make each entry wait for the last.
template <bool kSigned>
HWY_INLINE void sum_entries(const SplitEntry* e, const SplitEntry* end, const int8_t* HWY_RESTRICT weights,
                            int16_t* HWY_RESTRICT sums_out) {
  QuadSums sums[kQuadVecs];
#pragma GCC unroll 16
  for (int v = 0; v < kQuadVecs; ++v) sums[v] = zero_sums();
  for (; e != end; e += 2) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const int8_t* w = weights + e[i].weights_at;
      add_flagged(&kNibbleBytes[e[i].plus], w, sums);
      if constexpr (kSigned) subtract_flagged(&kNibbleBytes[e[i].minus], w, sums);
    }
  }
#pragma GCC unroll 16
  for (int v = 0; v < kQuadVecs; ++v) store_sums(sums[v], sums_out + v * 2 * kQuadLanes);
}

// What the tiles of a group start from: the offset of s8 sources, and the products of eighth bits.
class GroupStart {
 public:
  // -64 times each column's sum of weights is what the offset of s8 sources adds too much.
  void begin_block(bool src_signed, const QuadWeights& w) {
    src_signed_ = src_signed;
    std::memset(init_, 0, sizeof(init_));
    if (!src_signed) return;
    for (int64_t quad = 0; quad < 2 * w.octets; ++quad) {
      add_column_sums(0x01010101u, -64, w.quads + quad * kQuadBytes, init_);
    }
  }

  void begin_group(const SplitEntry* entries, const uint32_t* starts, int64_t rows, const int8_t* weights) {
    wide_ = false;
    none_ = starts[0] == starts[rows];
    for (int64_t r = 0; r < rows && !none_; ++r) {
      const SplitEntry* begin = entries + starts[r];
      const SplitEntry* end = entries + starts[r + 1];
      if (HWY_UNLIKELY(end - begin > kMostEntries)) return sum_wide(entries, starts, rows, weights);
      sum(begin, end, weights, sums_ + r * 2 * kOcBlock);
    }
  }

  QuadTile rows(const uint8_t* source, int64_t row_stride) const {
    if (wide_) return {source, row_stride, zeros_, 0, wide_sums_, kOcBlock};
    if (none_) return {source, row_stride, zeros_, 0, init_, 0};
    return {source, row_stride, sums_, 2 * kOcBlock, init_, 0};
  }

 private:
  static constexpr int64_t kMostEntries = 126;  // an even number of them fits 16 bits

  void sum(const SplitEntry* begin, const SplitEntry* end, const int8_t* weights, int16_t* sums) const {
    src_signed_ ? sum_entries<true>(begin, end, weights, sums) : sum_entries<false>(begin, end, weights, sums);
  }

  void sum_wide(const SplitEntry* entries, const uint32_t* starts, int64_t rows, const int8_t* weights) {
    wide_ = true;
    for (int64_t r = 0; r < rows; ++r) {
      int32_t* wide = wide_sums_ + r * kOcBlock;
      std::memcpy(wide, init_, sizeof(init_));
      for (int64_t i = starts[r]; i < starts[r + 1]; i += kMostEntries) {
        sum(entries + i, entries + std::min<int64_t>(i + kMostEntries, starts[r + 1]), weights, sums_);
        for (int64_t c = 0; c < kOcBlock; ++c) wide[c] += 128 * (sums_[2 * c] + sums_[2 * c + 1]);
      }
    }
  }

  bool src_signed_ = false, wide_ = false, none_ = false;
  HWY_ALIGN int32_t init_[kOcBlock];
  HWY_ALIGN int16_t sums_[kSplitGroup * 2 * kOcBlock];
  HWY_ALIGN int32_t wide_sums_[kSplitGroup * kOcBlock];
  HWY_ALIGN int16_t zeros_[2 * kOcBlock] = {};
};

// One block of output channels for one group of pixels, the first of which is `pixel` of the tensor.
inline void block_of_group(const SplitArgs& a, const QuadWeights& weights, const GroupStart& start, const uint8_t* copy,
                           int64_t pitch, int64_t rows, int64_t pixel, int64_t block) {
  HWY_ALIGN int32_t acc[kSplitGroup * kOcBlock];
  rows_of_quads(rows, start.rows(copy, pitch), weights, acc);
  const int64_t channel = block * kOcBlock;
  const int64_t channels = std::min(kOcBlock, a.plan->out_c - channel);
  finish_tile(*a.epilogue, EpilogueTile<int32_t>{acc, kOcBlock, rows, channels, pixel, channel, a.dst,
                                                 a.plan->shape.dst_pixel_stride});
}

void conv_split(const SplitArgs& a) {
  const ConvPlan& p = *a.plan;
  const SplitScratch layout(p);
  const SplitPacked packed(p.in_c, p.oc_blocks);
  auto* copy = reinterpret_cast<uint8_t*>(a.scratch + layout.copy_at);
  auto* starts = reinterpret_cast<uint32_t*>(a.scratch + layout.starts_at);
  auto* entries = reinterpret_cast<SplitEntry*>(a.scratch + layout.entries_at);
  uint64_t unsafe[kMaxSplitChannels / 8 / 64];
  GroupStart start;

  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first = chunk * layout.chunk_pixels;
    const int64_t pixels = std::min(layout.chunk_pixels, layout.all_pixels - first);
    (a.src_signed ? split_chunk<true> : split_chunk<false>)(p, a.src, first, pixels, layout.pitch, copy, starts,
                                                            entries);
    const int64_t groups = ceil_div(pixels, kSplitGroup);
    for (int64_t block = a.block_begin; block < a.block_end; ++block) {
      std::memcpy(unsafe, a.packed + block * packed.mask_words * 8, static_cast<size_t>(packed.mask_words) * 8);
      const QuadWeights weights{a.packed + packed.weights_at + block * packed.block_bytes, unsafe, packed.octets};
      start.begin_block(a.src_signed, weights);
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t begin = pixels * g / groups;
        const int64_t rows = pixels * (g + 1) / groups - begin;
        start.begin_group(entries, starts + begin, rows, weights.quads);
        block_of_group(a, weights, start, copy + begin * layout.pitch, layout.pitch, rows, first + begin, block);
      }
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_split);

namespace {

bool supports(const ConvShape& s, Elem, const int8_t*) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.pad_top == 0 && s.pad_left == 0 && s.groups == 1 &&
         (s.out_h - 1) * s.stride_h < s.in_h && (s.out_w - 1) * s.stride_w < s.in_w && s.in_c <= kMaxSplitChannels;
}

size_t packed_bytes(const ConvShape& s) {
  const SplitPacked layout(s.in_c, ceil_div(s.out_c, kOcBlock));
  return static_cast<size_t>(layout.weights_at + ceil_div(s.out_c, kOcBlock) * layout.block_bytes);
}

void pack(const ConvShape& s, const int8_t* weights, int8_t* packed) {
  const int64_t oc_blocks = ceil_div(s.out_c, kOcBlock);
  const SplitPacked layout(s.in_c, oc_blocks);
  std::memset(packed, 0, static_cast<size_t>(layout.weights_at));
  for (int64_t block = 0; block < oc_blocks; ++block) {
    int8_t* octet = packed + layout.weights_at + block * layout.block_bytes;
    int8_t* end = octet + layout.block_bytes;
    const int64_t channels = std::min(kOcBlock, s.out_c - block * kOcBlock);
    int8_t* written = interleave_rows(weights + block * kOcBlock, s.out_c, s.in_c, channels, 4, octet);
    std::memset(written, 0, static_cast<size_t>(end - written));
    for (int64_t i = 0; i < layout.octets; ++i, octet += 8 * kOcBlock) {
      // 127 times the weights that meet in one 16-bit sum, all of equal sign, could leave [-32768, 32767].
      if (!octet_exceeds(octet, 32767 / 127)) continue;
      int8_t* word = packed + (block * layout.mask_words + i / 64) * 8;
      uint64_t bits;
      std::memcpy(&bits, word, sizeof(bits));
      bits |= uint64_t{1} << (i % 64);
      std::memcpy(word, &bits, sizeof(bits));
    }
  }
}

size_t workspace_bytes(const ConvShape& s, Elem, int threads) {
  return SplitScratch(ConvPlan(s, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, const ConvInt8Call& call) {
  const ConvPlan p(s, call.threads);
  const SplitScratch layout(p);
  for_each_conv_part(p, call, layout.chunks, p.oc_blocks, layout.bytes, [](const SplitArgs& args) {
    HWY_DYNAMIC_DISPATCH(conv_split)(args);
  });
}

}  // namespace

const ConvInt8Kernel kConvSplitInt8 = {"split", supports, packed_bytes, pack, workspace_bytes, run};

}  // namespace tfengine::kernels
#endif
