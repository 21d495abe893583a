// SPDX-License-Identifier: Apache-2.0
// Vectors of 16 bytes, a block's channels, are what the packed form is made of: every instruction set has them, so this is
// compiled once.
#include "kernels/pack.h"

#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/conv_plan.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {

namespace hn = hwy::HWY_NAMESPACE;
using DBytes = hn::FixedTag<int8_t, kOcBlock>;
using DWords = hn::FixedTag<int16_t, kOcBlock / 2>;

int8_t* interleave_rows(const int8_t* src, int64_t stride, int64_t rows, int64_t channels, int depth, int8_t* dst) {
  const DBytes d;
  const auto zero = hn::Zero(d);
  alignas(16) int8_t part[kOcBlock] = {};
  const auto row = [&](int64_t index) {
    if (index >= rows) return zero;
    if (channels == kOcBlock) return hn::LoadU(d, src + index * stride);
    std::memcpy(part, src + index * stride, static_cast<size_t>(channels));
    return hn::Load(d, part);
  };
  for (int64_t k = 0; k < rows; k += depth) {
    if (depth == 4) {
      hn::StoreInterleaved4(row(k), row(k + 1), row(k + 2), row(k + 3), d, dst);
    } else {
      hn::StoreInterleaved2(row(k), row(k + 1), d, dst);
    }
    dst += depth * kOcBlock;
  }
  return dst;
}

bool octet_exceeds(const int8_t* octet, int16_t largest) {
  const DBytes d;
  const DWords words;
  const auto zero = hn::Zero(words);
  auto most = zero;
  for (int64_t at = 0; at < 4 * kOcBlock; at += kOcBlock) {
    auto positive = zero;
    auto sum = zero;
    for (const int64_t half : {int64_t{0}, 4 * kOcBlock}) {
      // Two values in each word.
      const auto pairs = hn::BitCast(words, hn::LoadU(d, octet + at + half));
      for (const auto value : {hn::ShiftRight<8>(hn::ShiftLeft<8>(pairs)), hn::ShiftRight<8>(pairs)}) {
        positive = hn::Add(positive, hn::Max(value, zero));
        sum = hn::Add(sum, value);
      }
    }
    most = hn::Max(most, hn::Max(positive, hn::Sub(positive, sum)));
  }
  return !hn::AllFalse(words, hn::Gt(most, hn::Set(words, largest)));
}

}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();
