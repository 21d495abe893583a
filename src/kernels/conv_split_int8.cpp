// SPDX-License-Identifier: Apache-2.0
// 1x1 convolutions and dense layers for CPUs whose 8-bit multiply-add saturates: 7 bits of each source value go through it
// safely (gemm_quads-inl.h); the eighth is handled apart. u8 value = low 7 bits + 128 * top bit; s8 value = (value + 64)
// - 64, and value + 64 = low 7 bits + 128 * m with m in {-1, 0, 1}. Values of activations crowd near 0, so few have a top
// bit or an m (1 to 3 %): these are listed once, and their products added one by one. Exact for any data, but slow when
// most values are large.
#include "kernels/conv_split_int8.h"

#include <cstring>

#include "kernels/conv_plan.h"
#include "kernels/epilogue_tile.h"
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

// The inputs of one quad of one pixel whose eighth bit counts: bit i is input i.
struct SplitEntry {
  uint16_t quad;
  uint16_t pixel;  // of the chunk
  uint8_t plus, minus;
};
static_assert(sizeof(SplitEntry) == 6);
constexpr int64_t kMaxSplitChannels = 4 * 65536;
constexpr int64_t kMaxSplitPixels = 65536;

struct SplitArgs {
  const ConvPlan* plan;
  bool src_signed;
  const uint8_t* src;
  const int8_t* packed;
  const Epilogue* epilogue;
  void* dst;
  int64_t chunk_begin, chunk_end;
  int64_t block_begin, block_end;
  std::byte* scratch;
};

// Chunks of pixels, and where the parts of a thread's scratch lie.
struct SplitScratch {
  int64_t all_pixels, chunk_pixels, chunks;
  int64_t pitch;  // bytes from a pixel of the copy to the next
  size_t copy_at = 0, starts_at, entries_at, bytes;

  explicit SplitScratch(const ConvPlan& p) {
    // A third of the second-level cache; entries take about as much again in bad cases.
    constexpr int64_t kCopyBytes = 128 * 1024;
    all_pixels = p.shape.batch * p.shape.out_h * p.shape.out_w;
    pitch = round_up(p.in_c, 8);
    const int64_t share = ceil_div(all_pixels, p.threads_m);
    const int64_t most = std::clamp<int64_t>(kCopyBytes / pitch, 1, kMaxSplitPixels);
    chunk_pixels = ceil_div(share, ceil_div(share, most));
    chunks = ceil_div(all_pixels, chunk_pixels);

    const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
    starts_at = align(chunk_pixels * pitch + 64);  // a vector may be written beyond the last channel
    entries_at = starts_at + align((chunk_pixels + 1) * 4);
    bytes = entries_at + align(chunk_pixels * (pitch / 4) * static_cast<int64_t>(sizeof(SplitEntry)));
  }
};

}  // namespace tfengine::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {

// Which of kSplitStep neighbouring inputs have an eighth bit to add or to subtract, one bit each.
struct EighthBits {
  uint64_t plus, minus;
};

// Stores the low 7 bits of kSplitStep inputs.
#if HWY_TARGET == HWY_SCALAR
inline constexpr int64_t kSplitStep = 4;
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
inline constexpr int64_t kSplitStep = static_cast<int64_t>(hn::MaxLanes(hn::ScalableTag<uint8_t>()));
template <bool kSigned>
HWY_INLINE EighthBits split_step(const uint8_t* src, uint8_t* dst) {
  const hn::ScalableTag<uint8_t> d;
  const auto low_bits = hn::Set(d, 0x7F);
  auto x = hn::LoadU(d, src);
  if constexpr (kSigned) x = hn::Add(x, hn::Set(d, 64));
  hn::StoreU(hn::And(x, low_bits), d, dst);
  const auto top = hn::Gt(x, low_bits);
  if (HWY_LIKELY(hn::AllFalse(d, top))) return {0, 0};
  uint8_t plus[8] = {}, minus[8] = {};
  if constexpr (kSigned) {
    // Here x in [192, 255] stands for a negative value + 64.
    const auto negative = hn::Gt(x, hn::Set(d, 191));
    hn::StoreMaskBits(d, negative, minus);
    hn::StoreMaskBits(d, hn::AndNot(negative, top), plus);
  } else {
    hn::StoreMaskBits(d, top, plus);
  }
  EighthBits bits;
  std::memcpy(&bits.plus, plus, sizeof(plus));
  std::memcpy(&bits.minus, minus, sizeof(minus));
  return bits;
}
#endif

// Copies the low 7 bits of one pixel's channels and appends entries for the rest.
template <bool kSigned>
SplitEntry* split_pixel(const uint8_t* HWY_RESTRICT src, int64_t n, uint16_t pixel, uint8_t* HWY_RESTRICT dst,
                        SplitEntry* out) {
  uint8_t tail[kSplitStep];
  for (int64_t c = 0; c < n; c += kSplitStep) {
    const uint8_t* from = src + c;
    if (HWY_UNLIKELY(c + kSplitStep > n)) {
      std::memset(tail, 0, sizeof(tail));
      std::memcpy(tail, from, static_cast<size_t>(n - c));
      from = tail;
    }
    const EighthBits bits = split_step<kSigned>(from, dst + c);
    for (uint64_t left = bits.plus | bits.minus; left != 0;) {
      const int64_t first = static_cast<int64_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(left)) / 4 * 4;
      left &= ~(uint64_t{15} << first);
      *out++ = {static_cast<uint16_t>((c + first) / 4), pixel, static_cast<uint8_t>(bits.plus >> first & 15),
                static_cast<uint8_t>(bits.minus >> first & 15)};
    }
  }
  return out;
}

// Adds 128 times the weights that an entry names to the 16 sums of its pixel.
HWY_INLINE void add_entry(const SplitEntry& e, const int8_t* HWY_RESTRICT weights, int32_t* HWY_RESTRICT acc) {
  // The multiplication copies a nibble to bits 0, 7, 14, 21, so that its bit i also lands on bit 8 * i.
  const auto bytes = [](uint32_t nibble) { return nibble * 0x00204081u & 0x01010101u; };
  add_flagged(bytes(e.plus), 128, weights, acc);
  if (HWY_UNLIKELY(e.minus != 0)) add_flagged(bytes(e.minus), -128, weights, acc);
}

// Pixels [begin, begin + n) of the convolution's output, row by row; starts[i] is where pixel i's entries begin.
template <bool kSigned>
void split_chunk(const ConvPlan& p, const uint8_t* src, int64_t begin, int64_t n, int64_t pitch, uint8_t* copy,
                 uint32_t* starts, SplitEntry* entries) {
  const ConvShape& s = p.shape;
  SplitEntry* out = entries;
  int64_t col = begin % s.out_w;
  int64_t row = begin / s.out_w % s.out_h;
  int64_t image = begin / s.out_w / s.out_h;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t pixel = (image * s.in_h + row * p.step_h) * s.in_w + col * p.step_w;
    starts[i] = static_cast<uint32_t>(out - entries);
    out = split_pixel<kSigned>(src + pixel * s.src_pixel_stride, p.in_c, static_cast<uint16_t>(i), copy, out);
    copy += pitch;
    if (++col < s.out_w) continue;
    col = 0;
    if (++row < s.out_h) continue;
    row = 0;
    ++image;
  }
  starts[n] = static_cast<uint32_t>(out - entries);
}

// -64 times each column's sum of weights: what the offset of s8 sources adds too much.
inline void offset_sums(const int8_t* weights, int64_t quads, int32_t* init) {
  std::memset(init, 0, kOcBlock * sizeof(int32_t));
  for (int64_t quad = 0; quad < quads; ++quad) add_flagged(0x01010101u, -64, weights + quad * kQuadBytes, init);
}

void conv_split(const SplitArgs& a) {
  const ConvPlan& p = *a.plan;
  const SplitScratch layout(p);
  const SplitPacked packed(p.in_c, p.oc_blocks);
  auto* copy = reinterpret_cast<uint8_t*>(a.scratch + layout.copy_at);
  auto* starts = reinterpret_cast<uint32_t*>(a.scratch + layout.starts_at);
  auto* entries = reinterpret_cast<SplitEntry*>(a.scratch + layout.entries_at);
  // Sums of this many pixels wait in the first-level cache for one call of the epilogue.
  constexpr int64_t kGroup = 40;
  HWY_ALIGN int32_t acc[kGroup * kOcBlock];
  HWY_ALIGN int32_t init[kOcBlock] = {};

  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first_pixel = chunk * layout.chunk_pixels;
    const int64_t pixels = std::min(layout.chunk_pixels, layout.all_pixels - first_pixel);
    (a.src_signed ? split_chunk<true> : split_chunk<false>)(p, a.src, first_pixel, pixels, layout.pitch, copy, starts,
                                                            entries);
    for (int64_t block = a.block_begin; block < a.block_end; ++block) {
      const int8_t* weights = a.packed + packed.weights_at + block * packed.block_bytes;
      uint64_t unsafe[kMaxSplitChannels / 8 / 64];
      std::memcpy(unsafe, a.packed + block * packed.mask_words * 8, static_cast<size_t>(packed.mask_words) * 8);
      if (a.src_signed) offset_sums(weights, packed.octets * 2, init);
      const int64_t groups = ceil_div(pixels, kGroup);
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t begin = pixels * group / groups;
        const int64_t rows = pixels * (group + 1) / groups - begin;
        const int64_t tiles = ceil_div(rows, kQuadRows);
        for (int64_t tile = 0; tile < tiles; ++tile) {
          const int64_t r = rows * tile / tiles;
          tile_of_quads_rows(static_cast<int>(rows * (tile + 1) / tiles - r), copy + (begin + r) * layout.pitch,
                             layout.pitch, packed.octets, unsafe, weights, init, acc + r * kOcBlock);
        }
        for (const SplitEntry* e = entries + starts[begin]; e != entries + starts[begin + rows]; ++e) {
          add_entry(*e, weights + e->quad * kQuadBytes, acc + (e->pixel - begin) * kOcBlock);
        }
        const int64_t channel = block * kOcBlock;
        finish_tile(*a.epilogue, EpilogueTile<int32_t>{acc, kOcBlock, rows, std::min(kOcBlock, p.out_c - channel),
                                                       first_pixel + begin, channel, a.dst, p.shape.dst_pixel_stride});
      }
    }
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
HWY_EXPORT(conv_split);

namespace conv_split_int8 {
namespace {

// Whether 127 times the weights that meet in one 16-bit sum, all of equal sign, could leave [-32768, 32767].
bool octet_is_unsafe(const int8_t* octet) {
  constexpr int kLargest = 32767 / 127;
  for (int lane = 0; lane < 2 * kOcBlock; ++lane) {
    int positive = 0, negative = 0;
    for (int i = 0; i < 4; ++i) {
      const int w = octet[i / 2 * 4 * kOcBlock + 2 * lane + i % 2];
      (w > 0 ? positive : negative) += std::abs(w);
    }
    if (positive > kLargest || negative > kLargest) return true;
  }
  return false;
}

}  // namespace

bool supports(const ConvShape& s, Elem src_elem) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.pad_top == 0 && s.pad_left == 0 && s.groups == 1 &&
         (s.out_h - 1) * s.stride_h < s.in_h && (s.out_w - 1) * s.stride_w < s.in_w && s.in_c <= kMaxSplitChannels &&
         src_elem != Elem::F32;
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
    int8_t* to = packed + layout.weights_at + block * layout.block_bytes;
    for (int64_t octet = 0; octet < layout.octets; ++octet) {
      for (int64_t i = 0; i < 8 * kOcBlock; ++i) {
        const int64_t k = octet * 8 + i / (4 * kOcBlock) * 4 + i % 4;
        const int64_t oc = block * kOcBlock + i / 4 % kOcBlock;
        to[i] = k < s.in_c && oc < s.out_c ? weights[k * s.out_c + oc] : int8_t{0};
      }
      if (octet_is_unsafe(to)) {
        int8_t* word = packed + (block * layout.mask_words + octet / 64) * 8;
        uint64_t bits;
        std::memcpy(&bits, word, sizeof(bits));
        bits |= uint64_t{1} << (octet % 64);
        std::memcpy(word, &bits, sizeof(bits));
      }
      to += 8 * kOcBlock;
    }
  }
}

size_t workspace_bytes(const ConvShape& s, int threads) {
  return SplitScratch(ConvPlan(s, threads)).bytes * static_cast<size_t>(std::max(threads, 1));
}

void run(const ConvShape& s, Elem src_elem, const void* src, const int8_t* packed, const Epilogue& epilogue, void* dst,
         std::byte* workspace, int threads) {
  const ConvPlan p(s, threads);
  const SplitScratch layout(p);
  parallel_ranges(p.threads_m * p.threads_n, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t m = cell / p.threads_n;
      const int64_t n = cell % p.threads_n;
      const SplitArgs args{&p,
                           src_elem == Elem::S8,
                           static_cast<const uint8_t*>(src),
                           packed,
                           &epilogue,
                           dst,
                           layout.chunks * m / p.threads_m,
                           layout.chunks * (m + 1) / p.threads_m,
                           p.oc_blocks * n / p.threads_n,
                           p.oc_blocks * (n + 1) / p.threads_n,
                           workspace + static_cast<size_t>(cell) * layout.bytes};
      HWY_DYNAMIC_DISPATCH(conv_split)(args);
    }
  });
}

}  // namespace conv_split_int8
}  // namespace tfengine::kernels
#endif
