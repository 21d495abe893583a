// SPDX-License-Identifier: Apache-2.0
// The inner loop of the split INT8 kernels: tiles of up to kQuadRows rows x 16 columns of sums of products of 7-bit
// unsigned and 8-bit signed values, 32 per multiplication (vpmaddubsw) with AVX2. Included inside foreach_target.h.
//
// vpmaddubsw adds two products in 16 bits. 127 * 128 * 2 < 2^15: it cannot saturate with 7-bit sources. Even two of its
// results can be added in 16 bits when, of the four weights that meet there, those of equal sign sum to at most 258 in
// magnitude; that is so for nearly all weights of a trained network, and is proved for each octet when they are packed.
// Then 64 products cost 5 instructions, against 8 with 16-bit operands (38 products per cycle on Zen 3, against 24).
#if defined(TFENGINE_KERNELS_GEMM_QUADS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TFENGINE_KERNELS_GEMM_QUADS_INL_H_
#undef TFENGINE_KERNELS_GEMM_QUADS_INL_H_
#else
#define TFENGINE_KERNELS_GEMM_QUADS_INL_H_
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Four neighbouring inputs (a quad) of each column share a 32-bit lane. The scalar target has no vector of four.
#if HWY_TARGET == HWY_SCALAR
using QuadAcc = hn::ScalableTag<int32_t>;
struct QuadBytes {
  uint8_t v[4];
};
struct QuadSums {
  int16_t v[2];
};
HWY_INLINE QuadBytes load_quads(const void* p) {
  QuadBytes q;
  std::memcpy(q.v, p, 4);
  return q;
}
HWY_INLINE QuadBytes broadcast_quad(const void* p) { return load_quads(p); }
HWY_INLINE QuadSums multiply_quads(QuadBytes a, QuadBytes w) {
  QuadSums s;
  for (int i = 0; i < 2; ++i) {
    s.v[i] = static_cast<int16_t>(a.v[2 * i] * static_cast<int8_t>(w.v[2 * i]) +
                                  a.v[2 * i + 1] * static_cast<int8_t>(w.v[2 * i + 1]));
  }
  return s;
}
HWY_INLINE QuadSums add_sums(QuadSums a, QuadSums b) {
  return {{static_cast<int16_t>(a.v[0] + b.v[0]), static_cast<int16_t>(a.v[1] + b.v[1])}};
}
HWY_INLINE QuadSums subtract_sums(QuadSums a, QuadSums b) {
  return {{static_cast<int16_t>(a.v[0] - b.v[0]), static_cast<int16_t>(a.v[1] - b.v[1])}};
}
HWY_INLINE QuadSums zero_sums() { return {{0, 0}}; }
HWY_INLINE QuadSums load_sums(const int16_t* p) { return {{p[0], p[1]}}; }
HWY_INLINE void store_sums(QuadSums s, int16_t* p) { std::memcpy(p, s.v, sizeof(s.v)); }
HWY_INLINE hn::Vec<QuadAcc> accumulate_sums(QuadSums s, int16_t factor, hn::Vec<QuadAcc> acc) {
  return hn::Add(acc, hn::Set(QuadAcc(), (s.v[0] + s.v[1]) * factor));
}
#else
using QuadAcc = hn::CappedTag<int32_t, 16>;
using QuadBytesTag = hn::Repartition<uint8_t, QuadAcc>;
using QuadSumsTag = hn::Repartition<int16_t, QuadAcc>;
using QuadBytes = hn::Vec<QuadBytesTag>;
using QuadSums = hn::Vec<QuadSumsTag>;
HWY_INLINE QuadBytes load_quads(const void* p) { return hn::LoadU(QuadBytesTag(), static_cast<const uint8_t*>(p)); }
HWY_INLINE QuadBytes broadcast_quad(const void* p) {
  int32_t all;
  std::memcpy(&all, p, sizeof(all));
  return hn::BitCast(QuadBytesTag(), hn::Set(QuadAcc(), all));
}
// Sums of two products, of unsigned a and signed w; exact only where they fit 16 bits.
HWY_INLINE QuadSums multiply_quads(QuadBytes a, QuadBytes w) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return QuadSums{_mm512_maddubs_epi16(a.raw, w.raw)};
#elif HWY_TARGET == HWY_AVX2
  return QuadSums{_mm256_maddubs_epi16(a.raw, w.raw)};
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  return QuadSums{_mm_maddubs_epi16(a.raw, w.raw)};
#else
  // Highway has this operation from 1.0.5 on (SatWidenMulPairwiseAdd).
  const QuadSumsTag d;
  const auto a16 = hn::BitCast(d, a);
  const auto w16 = hn::BitCast(d, w);
  const auto even = hn::Mul(hn::And(a16, hn::Set(d, 0xFF)), hn::ShiftRight<8>(hn::ShiftLeft<8>(w16)));
  const hn::RebindToUnsigned<QuadSumsTag> du;
  const auto odd_a = hn::BitCast(d, hn::ShiftRight<8>(hn::BitCast(du, a)));
  return hn::Add(even, hn::Mul(odd_a, hn::ShiftRight<8>(w16)));
#endif
}
HWY_INLINE QuadSums add_sums(QuadSums a, QuadSums b) { return hn::Add(a, b); }
HWY_INLINE QuadSums subtract_sums(QuadSums a, QuadSums b) { return hn::Sub(a, b); }
HWY_INLINE QuadSums zero_sums() { return hn::Zero(QuadSumsTag()); }
HWY_INLINE QuadSums load_sums(const int16_t* p) { return hn::LoadU(QuadSumsTag(), p); }
HWY_INLINE void store_sums(QuadSums s, int16_t* p) { hn::StoreU(s, QuadSumsTag(), p); }
HWY_INLINE hn::Vec<QuadAcc> accumulate_sums(QuadSums s, int16_t factor, hn::Vec<QuadAcc> acc) {
  auto unused = hn::Zero(QuadAcc());
  return hn::ReorderWidenMulAccumulate(QuadAcc(), s, hn::Set(QuadSumsTag(), factor), acc, unused);
}
#endif

inline constexpr int kQuadLanes = static_cast<int>(hn::MaxLanes(QuadAcc()));
inline constexpr int kQuadVecs = 16 / kQuadLanes;
inline constexpr int64_t kQuadBytes = 64;  // of the weights of a quad: [16 columns][4 inputs]
// AVX2: 8 accumulators, 4 sources and sums, the constant 1, and 3 registers for weights.
inline constexpr int kQuadRows = kQuadLanes >= 16 ? 10 : kQuadLanes == 8 ? 4 : kQuadLanes == 4 ? 2 : 1;

template <int kRows>
HWY_INLINE void safe_octets(const uint8_t* HWY_RESTRICT source, int64_t row_stride, const int8_t* HWY_RESTRICT weights,
                            int64_t octets, hn::Vec<QuadAcc> (&acc)[kRows][kQuadVecs]) {
  for (; octets > 0; --octets) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const uint8_t* at = source + r * row_stride;
      const QuadBytes a0 = broadcast_quad(at);
      const QuadBytes a1 = broadcast_quad(at + 4);
#pragma GCC unroll 16
      for (int v = 0; v < kQuadVecs; ++v) {
        const QuadSums s0 = multiply_quads(a0, load_quads(weights + v * 4 * kQuadLanes));
        const QuadSums s1 = multiply_quads(a1, load_quads(weights + kQuadBytes + v * 4 * kQuadLanes));
        acc[r][v] = accumulate_sums(add_sums(s0, s1), 1, acc[r][v]);
      }
    }
    source += 8;
    weights += 2 * kQuadBytes;
  }
}

template <int kRows>
HWY_INLINE void unsafe_octet(const uint8_t* HWY_RESTRICT source, int64_t row_stride, const int8_t* HWY_RESTRICT weights,
                             hn::Vec<QuadAcc> (&acc)[kRows][kQuadVecs]) {
  for (int quad = 0; quad < 2; ++quad) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const QuadBytes a = broadcast_quad(source + 4 * quad + r * row_stride);
      const int8_t* w = weights + quad * kQuadBytes;
#pragma GCC unroll 16
      for (int v = 0; v < kQuadVecs; ++v) {
        acc[r][v] = accumulate_sums(multiply_quads(a, load_quads(w + v * 4 * kQuadLanes)), 1, acc[r][v]);
      }
    }
  }
}

// A tile's operands. Row r is at source + r * row_stride, its 32 corrections at corrections + r * correction_stride: sums of
// weights (add_flagged) that count 128 times. Bit i of `unsafe` is set when the sums of octet i may need more than 16 bits.
struct QuadTile {
  const uint8_t* source;
  int64_t row_stride;
  const int16_t* corrections;
  int64_t correction_stride;
  const int32_t* init;  // row r's, of each column, at init + r * init_stride
  int64_t init_stride;
};
struct QuadWeights {
  const int8_t* quads;
  const uint64_t* unsafe;
  int64_t octets;
};

// acc[row * 16 + column] = init + 128 * corrections + sum over all octets (8 inputs each), for `tiles` tiles of kRows rows.
template <int kRows>
HWY_NOINLINE void tiles_of_quads(QuadTile t, const QuadWeights& w, int64_t tiles, int32_t* HWY_RESTRICT acc_out) {
  const int64_t row_stride = t.row_stride, octets = w.octets;
  for (; tiles != 0; --tiles) {
    const uint8_t* HWY_RESTRICT source = t.source;
    const int8_t* HWY_RESTRICT weights = w.quads;
    hn::Vec<QuadAcc> acc[kRows][kQuadVecs];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kQuadVecs; ++v) {
        const QuadSums flagged = load_sums(t.corrections + r * t.correction_stride + 2 * kQuadLanes * v);
        acc[r][v] = accumulate_sums(flagged, 128, hn::LoadU(QuadAcc(), t.init + r * t.init_stride + v * kQuadLanes));
      }
    }
    for (int64_t first = 0; first < octets; first += 64) {
      uint64_t bits = w.unsafe[first / 64];
      int64_t left = HWY_MIN(octets - first, 64);
      while (HWY_UNLIKELY(bits != 0)) {
        const int64_t safe = static_cast<int64_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(bits));
        safe_octets<kRows>(source, row_stride, weights, safe, acc);
        unsafe_octet<kRows>(source + 8 * safe, row_stride, weights + 2 * kQuadBytes * safe, acc);
        source += 8 * (safe + 1);
        weights += 2 * kQuadBytes * (safe + 1);
        left -= safe + 1;
        bits = bits >> safe >> 1;
      }
      safe_octets<kRows>(source, row_stride, weights, left, acc);
      source += 8 * left;
      weights += 2 * kQuadBytes * left;
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int v = 0; v < kQuadVecs; ++v) hn::StoreU(acc[r][v], QuadAcc(), acc_out + 16 * r + kQuadLanes * v);
    }
    acc_out += 16 * kRows;
    t.source += kRows * row_stride;
    t.corrections += kRows * t.correction_stride;
    t.init += kRows * t.init_stride;
  }
}

template <int kRows = kQuadRows - 1>
HWY_INLINE void tiles_of_quads_rows(int64_t rows, const QuadTile& t, const QuadWeights& w, int64_t tiles,
                                    int32_t* acc) {
  if constexpr (kRows > 0) {
    if (rows == kRows) return tiles_of_quads<kRows>(t, w, tiles, acc);
    tiles_of_quads_rows<kRows - 1>(rows, t, w, tiles, acc);
  }
}

// Any number of rows: as few tiles as possible, of kQuadRows and, at the end, kQuadRows - 1 rows where that works out.
HWY_INLINE void rows_of_quads(int64_t rows, QuadTile t, const QuadWeights& w, int32_t* acc) {
  const auto advance = [&](int64_t n) {
    t.source += n * t.row_stride;
    t.corrections += n * t.correction_stride;
    t.init += n * t.init_stride;
    acc += 16 * n;
    rows -= n;
  };
  const int64_t all = (rows + kQuadRows - 1) / kQuadRows;
  const int64_t smaller = HWY_MIN(all * kQuadRows - rows, all);
  if (all > smaller) {
    tiles_of_quads<kQuadRows>(t, w, all - smaller, acc);
    advance((all - smaller) * kQuadRows);
  }
  while (rows > 0) {
    const int64_t height =
        smaller > 0 && rows >= smaller * (kQuadRows - 1) ? kQuadRows - 1 : HWY_MIN(rows, kQuadRows - 1);
    const int64_t tiles = rows / height;
    tiles_of_quads_rows(height, t, w, tiles, acc);
    advance(tiles * height);
  }
}

// Adds a quad's weights, of the inputs whose byte in `flags` is 1 (else 0), to 32 sums: [column][inputs 0 and 1, 2 and 3].
// 127 calls cannot overflow 16 bits.
HWY_INLINE void add_flagged(const uint32_t* flags, const int8_t* quad_weights, QuadSums (&sums)[kQuadVecs]) {
  const QuadBytes a = broadcast_quad(flags);
#pragma GCC unroll 16
  for (int v = 0; v < kQuadVecs; ++v) {
    sums[v] = add_sums(sums[v], multiply_quads(a, load_quads(quad_weights + v * 4 * kQuadLanes)));
  }
}
HWY_INLINE void subtract_flagged(const uint32_t* flags, const int8_t* quad_weights, QuadSums (&sums)[kQuadVecs]) {
  const QuadBytes a = broadcast_quad(flags);
#pragma GCC unroll 16
  for (int v = 0; v < kQuadVecs; ++v) {
    sums[v] = subtract_sums(sums[v], multiply_quads(a, load_quads(quad_weights + v * 4 * kQuadLanes)));
  }
}

// sums[column] += factor * the sum of the quad's weights of that column, of the inputs whose byte in `flags` is 1 (else 0).
HWY_INLINE void add_column_sums(uint32_t flags, int16_t factor, const int8_t* HWY_RESTRICT quad_weights,
                                int32_t* HWY_RESTRICT sums) {
  const QuadBytes a = broadcast_quad(&flags);
#pragma GCC unroll 16
  for (int v = 0; v < kQuadVecs; ++v) {
    int32_t* at = sums + v * kQuadLanes;
    const QuadSums s = multiply_quads(a, load_quads(quad_weights + v * 4 * kQuadLanes));
    hn::StoreU(accumulate_sums(s, factor, hn::LoadU(QuadAcc(), at)), QuadAcc(), at);
  }
}

}  // namespace tfengine::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // toggle guard
