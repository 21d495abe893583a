// SPDX-License-Identifier: Apache-2.0
// Pictures to pixels: decoding, resizing, cropping. Normalisation is in sample.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tfengine::io {

struct Image {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 3;         // 3: RGB, 1: grey
  std::vector<uint8_t> pixels;  // row-major, channels innermost
};

bool is_jpeg(std::string_view file);
bool is_png(std::string_view file);
// To `channels` channels (3 or 1). InvalidModel with the decoder's reason.
Image decode_jpeg(std::string_view file, int64_t channels);
Image decode_png(std::string_view file, int64_t channels);
// By the first bytes.
Image decode_image(std::string_view file, int64_t channels);

// Bilinear with half-pixel centres and no antialiasing, as tf.image.resize does it, to float32.
std::vector<float> resize_bilinear(const Image& image, int64_t height, int64_t width);

}  // namespace tfengine::io
