// SPDX-License-Identifier: Apache-2.0
// JPEG and PNG, decoded and resized.
#include "fuzz/harness.h"
#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  const std::string_view bytes = fuzz::text_of(data, size);
  for (const int64_t channels : {3, 1}) {
    fuzz::expect_answer([&] {
      const io::Image image = io::decode_image(bytes, channels);
      if (image.height * image.width < 1 << 20) io::resize_bilinear(image, 7, 9);
    });
  }
  return 0;
}
