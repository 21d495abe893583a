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
  uint32_t weights_at;  // of the quad, from the block's first
  uint16_t row;         // within its group of pixels
  uint8_t plus, minus;
};
static_assert(sizeof(SplitEntry) == 8);
constexpr int64_t kMaxSplitChannels = 4 * 65536;

// Pixels whose sums wait in the first-level cache for one call of the epilogue, and whose entries lie together.
constexpr int64_t kSplitGroup = 40;

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
  size_t copy_at = 0, groups_at, entries_at, bytes;

  explicit SplitScratch(const ConvPlan& p) {
    // A sixth of the second-level cache; entries take twice as much in the worst case.
    constexpr int64_t kCopyBytes = 80 * 1024;
    all_pixels = p.shape.batch * p.shape.out_h * p.shape.out_w;
    pitch = round_up(p.in_c, 8);
    const int64_t share = ceil_div(all_pixels, p.threads_m);
    const int64_t most = std::max<int64_t>(kCopyBytes / pitch / kSplitGroup, 1) * kSplitGroup;
    chunk_pixels = ceil_div(share, ceil_div(share, most));
    chunks = ceil_div(all_pixels, chunk_pixels);

    const auto align = [](int64_t n) { return static_cast<size_t>(round_up(n, 64)); };
    groups_at = align(chunk_pixels * pitch);
    entries_at = groups_at + align(ceil_div(chunk_pixels, kSplitGroup) * 16);
    bytes = entries_at + align(chunk_pixels * (pitch / 4) * static_cast<int64_t>(sizeof(SplitEntry)));
  }
};

// The entries of a group.
struct SplitGroup {
  uint32_t begin, end;
  uint32_t largest_row;  // entries of the pixel that has most
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

// Copies the low 7 bits of kSplitStep inputs (n, at the end of a row) and appends entries for the rest.
template <bool kSigned>
HWY_INLINE SplitEntry* split_inputs(const uint8_t* src, int64_t n, int64_t first_input, int64_t row, uint8_t* dst,
                                    SplitEntry* out) {
  EighthBits bits;
  if (HWY_LIKELY(n >= kSplitStep)) {
    bits = split_step<kSigned>(src, dst);
  } else {
    uint8_t from[kSplitStep] = {}, to[kSplitStep];
    std::memcpy(from, src, static_cast<size_t>(n));
    bits = split_step<kSigned>(from, to);
    std::memcpy(dst, to, static_cast<size_t>(round_up(n, 8)));
  }
  for (uint64_t left = bits.plus | bits.minus; left != 0;) {
    const int64_t i = static_cast<int64_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(left)) / 4 * 4;
    left &= ~(uint64_t{15} << i);
    *out++ = {static_cast<uint32_t>((first_input + i) / 4 * kQuadBytes), static_cast<uint16_t>(row),
              static_cast<uint8_t>(bits.plus >> i & 15), static_cast<uint8_t>(bits.minus >> i & 15)};
  }
  return out;
}

// The source pixels of up to kSplitGroup pixels of the convolution's output from `begin` on.
inline void source_pixels(const ConvPlan& p, const uint8_t* src, int64_t begin, int64_t n, const uint8_t** pixels) {
  const ConvShape& s = p.shape;
  int64_t col = begin % s.out_w;
  int64_t row = begin / s.out_w % s.out_h;
  int64_t image = begin / s.out_w / s.out_h;
  for (int64_t i = 0; i < n; ++i) {
    pixels[i] = src + ((image * s.in_h + row * p.step_h) * s.in_w + col * p.step_w) * s.src_pixel_stride;
    if (++col < s.out_w) continue;
    col = 0;
    if (++row < s.out_h) continue;
    row = 0;
    ++image;
  }
}

// Inputs in the outer loop: neighbouring entries are then of different pixels, and adding one need not wait for the last.
template <bool kSigned>
SplitEntry* split_group(const ConvPlan& p, const uint8_t* const* pixels, int64_t n, int64_t pitch, uint8_t* copy,
                        SplitEntry* entries, SplitGroup& group) {
  SplitEntry* out = entries;
  for (int64_t c = 0; c < p.in_c; c += kSplitStep) {
    for (int64_t r = 0; r < n; ++r) {
      out = split_inputs<kSigned>(pixels[r] + c, p.in_c - c, c, r, copy + r * pitch + c, out);
    }
  }
  uint32_t counts[kSplitGroup] = {};
  for (const SplitEntry* e = entries; e != out; ++e) ++counts[e->row];
  group.largest_row = *std::max_element(counts, counts + n);
  return out;
}

// Bytes 0 or 1 from the bits of a nibble.
constexpr uint32_t kNibbleBytes[16] = {0x00000000, 0x00000001, 0x00000100, 0x00000101, 0x00010000, 0x00010001,
                                       0x00010100, 0x00010101, 0x01000000, 0x01000001, 0x01000100, 0x01000101,
                                       0x01010000, 0x01010001, 0x01010100, 0x01010101};

// What a tile of a group starts from: the offset of s8 sources, and the products of eighth bits.
class GroupStart {
 public:
  // -64 times each column's sum of weights is what the offset of s8 sources adds too much.
  void begin_block(bool src_signed, const QuadWeights& w) {
    std::memset(init_, 0, kOcBlock * sizeof(int32_t));
    if (!src_signed) return;
    for (int64_t quad = 0; quad < 2 * w.octets; ++quad)
      add_column_sums(0x01010101u, -64, w.quads + quad * kQuadBytes, init_);
  }

  void begin_group(const SplitGroup& group, const SplitEntry* entries, int64_t rows, const int8_t* weights) {
    per_row_ = group.largest_row > 127;  // more might not fit 16 bits
    if (per_row_) return sum_wide(entries + group.begin, entries + group.end, rows, weights);
    std::memset(sums_, 0, static_cast<size_t>(rows) * 2 * kOcBlock * sizeof(int16_t));
    for (const SplitEntry* e = entries + group.begin; e != entries + group.end; ++e) {
      int16_t* sums = sums_ + e->row * 2 * kOcBlock;
      add_flagged(&kNibbleBytes[e->plus], weights + e->weights_at, sums);
      if (HWY_UNLIKELY(e->minus != 0)) subtract_flagged(&kNibbleBytes[e->minus], weights + e->weights_at, sums);
    }
  }

  QuadTile tile(const uint8_t* source, int64_t row_stride, int64_t row) const {
    if (per_row_) return {source, row_stride, zeros_, 0, wide_ + row * kOcBlock, kOcBlock};
    return {source, row_stride, sums_ + row * 2 * kOcBlock, 2 * kOcBlock, init_, 0};
  }

 private:
  void sum_wide(const SplitEntry* begin, const SplitEntry* end, int64_t rows, const int8_t* weights) {
    for (int64_t r = 0; r < rows; ++r) std::memcpy(wide_ + r * kOcBlock, init_, sizeof(init_));
    for (const SplitEntry* e = begin; e != end; ++e) {
      add_column_sums(kNibbleBytes[e->plus], 128, weights + e->weights_at, wide_ + e->row * kOcBlock);
      add_column_sums(kNibbleBytes[e->minus], -128, weights + e->weights_at, wide_ + e->row * kOcBlock);
    }
  }

  bool per_row_ = false;
  HWY_ALIGN int32_t init_[kOcBlock];
  HWY_ALIGN int16_t sums_[kSplitGroup * 2 * kOcBlock];
  HWY_ALIGN int32_t wide_[kSplitGroup * kOcBlock];
  HWY_ALIGN int16_t zeros_[2 * kOcBlock] = {};
};

// One block of output channels for one group of pixels, the first of which is `pixel` of the tensor.
inline void block_of_group(const SplitArgs& a, const QuadWeights& weights, const GroupStart& start, const uint8_t* copy,
                           int64_t pitch, int64_t rows, int64_t pixel, int64_t block) {
  HWY_ALIGN int32_t acc[kSplitGroup * kOcBlock];
  const int64_t tiles = ceil_div(rows, kQuadRows);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = rows * tile / tiles;
    const int64_t end = rows * (tile + 1) / tiles;
    tile_of_quads_rows(static_cast<int>(end - begin), start.tile(copy + begin * pitch, pitch, begin), weights,
                       acc + begin * kOcBlock);
  }
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
  auto* groups = reinterpret_cast<SplitGroup*>(a.scratch + layout.groups_at);
  auto* entries = reinterpret_cast<SplitEntry*>(a.scratch + layout.entries_at);
  uint64_t unsafe[kMaxSplitChannels / 8 / 64];
  GroupStart start;

  for (int64_t chunk = a.chunk_begin; chunk < a.chunk_end; ++chunk) {
    const int64_t first = chunk * layout.chunk_pixels;
    const int64_t pixels = std::min(layout.chunk_pixels, layout.all_pixels - first);
    const int64_t groups_n = ceil_div(pixels, kSplitGroup);
    const auto group_begin = [&](int64_t g) { return pixels * g / groups_n; };
    SplitEntry* end = entries;
    for (int64_t g = 0; g < groups_n; ++g) {
      const int64_t begin = group_begin(g);
      const int64_t rows = group_begin(g + 1) - begin;
      const uint8_t* sources[kSplitGroup];
      source_pixels(p, a.src, first + begin, rows, sources);
      groups[g].begin = static_cast<uint32_t>(end - entries);
      end = (a.src_signed ? split_group<true> : split_group<false>)(p, sources, rows, layout.pitch,
                                                                    copy + begin * layout.pitch, end, groups[g]);
      groups[g].end = static_cast<uint32_t>(end - entries);
    }
    for (int64_t block = a.block_begin; block < a.block_end; ++block) {
      std::memcpy(unsafe, a.packed + block * packed.mask_words * 8, static_cast<size_t>(packed.mask_words) * 8);
      const QuadWeights weights{a.packed + packed.weights_at + block * packed.block_bytes, unsafe, packed.octets};
      start.begin_block(a.src_signed, weights);
      for (int64_t g = 0; g < groups_n; ++g) {
        const int64_t begin = group_begin(g);
        const int64_t rows = group_begin(g + 1) - begin;
        start.begin_group(groups[g], entries, rows, weights.quads);
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
