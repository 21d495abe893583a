// SPDX-License-Identifier: Apache-2.0
#include "kernels/stream.h"

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

// From and to every place in a line of the cache, of sizes around those of lines.
TEST(Stream, CopiesBytesFromAnywhereToAnywhere) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (const size_t bytes : {0, 1, 63, 64, 65, 127, 128, 200, 1000, 4096}) {
      for (size_t shift = 0; shift < 64; ++shift) {
        // Guarded memory ends on a line: what is behind the copy decides where it begins.
        const size_t src_behind = rng() % 64;
        Guarded<uint8_t> src(bytes + src_behind), dst(bytes + shift);
        for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<uint8_t>(rng());
        std::vector<uint8_t> expected = dst.values();
        std::copy_n(src.data(), bytes, expected.data());
        stream_copy(bytes, src.data(), dst.data());
        finish_streams();
        ASSERT_EQ(dst.values(), expected) << bytes << " bytes, " << shift << " behind them";
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
