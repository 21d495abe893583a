// SPDX-License-Identifier: Apache-2.0
#include "kernels/stream.h"

#include <algorithm>
#include <cstring>

#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stream.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tfengine::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Lines are written as a whole: what is in front of the first and behind the last goes through the caches.
void copy_past_caches(size_t bytes, const uint8_t* src, uint8_t* dst) {
  constexpr size_t kLine = 64;
  const hn::CappedTag<uint8_t, kLine> d;
  const size_t lanes = hn::Lanes(d);
  const size_t before = std::min((kLine - reinterpret_cast<uintptr_t>(dst) % kLine) % kLine, bytes);
  std::memcpy(dst, src, before);
  size_t i = before;
  for (; i + kLine <= bytes; i += kLine) {
    for (size_t k = 0; k < kLine; k += lanes) hn::Stream(hn::LoadU(d, src + i + k), d, dst + i + k);
  }
  std::memcpy(dst + i, src + i, bytes - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace tfengine::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tfengine::kernels {
namespace {

HWY_EXPORT(copy_past_caches);

}  // namespace

void stream_copy(size_t bytes, const void* src, void* dst) {
  HWY_DYNAMIC_DISPATCH(copy_past_caches)(bytes, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst));
}

void finish_streams() { hwy::FlushStream(); }

}  // namespace tfengine::kernels
#endif  // HWY_ONCE
