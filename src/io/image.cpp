// SPDX-License-Identifier: Apache-2.0
#include "io/image.h"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "io/jpeg.h"

namespace tfengine::io {

bool is_jpeg(std::string_view file) { return file.substr(0, 3) == "\xff\xd8\xff"; }
bool is_png(std::string_view file) { return file.substr(0, 8) == "\x89PNG\r\n\x1a\n"; }

Image decode_png(std::string_view file, int64_t channels) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  struct Free {
    png_image* image;
    ~Free() { png_image_free(image); }
  } const free_at_end{&png};
  if (png_image_begin_read_from_memory(&png, file.data(), file.size()) == 0)
    fail<InvalidModel>("the PNG image is malformed: {}", png.message);
  check_image_size(png.height, png.width);
  png.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Image image{png.height, png.width, channels, std::vector<uint8_t>(PNG_IMAGE_SIZE(png))};
  const png_color black{0, 0, 0};  // behind transparent pixels
  if (png_image_finish_read(&png, &black, image.pixels.data(), 0, nullptr) == 0)
    fail<InvalidModel>("the PNG image is malformed: {}", png.message);
  return image;
}

Image decode_image(std::string_view file, int64_t channels) {
  if (is_jpeg(file)) return decode_jpeg(file, channels);
  if (is_png(file)) return decode_png(file, channels);
  fail<InvalidModel>("this is neither a JPEG nor a PNG image");
}

namespace {

struct Tap {
  int64_t lower;
  int64_t upper;
  float weight;  // of upper
};

std::vector<Tap> taps(int64_t from, int64_t to) {
  std::vector<Tap> result(static_cast<size_t>(to));
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (int64_t i = 0; i < to; ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const float floor = std::floor(at);
    result[static_cast<size_t>(i)] = {std::max<int64_t>(0, static_cast<int64_t>(floor)),
                                      std::min<int64_t>(from - 1, static_cast<int64_t>(floor) + 1), at - floor};
  }
  return result;
}

}  // namespace

std::vector<float> resize_bilinear(const Image& image, int64_t height, int64_t width) {
  const std::vector<Tap> rows = taps(image.height, height);
  const std::vector<Tap> columns = taps(image.width, width);
  const int64_t channels = image.channels;
  std::vector<float> result(static_cast<size_t>(height * width * channels));
  float* dst = result.data();
  for (const Tap& row : rows) {
    const uint8_t* top = image.pixels.data() + row.lower * image.width * channels;
    const uint8_t* bottom = image.pixels.data() + row.upper * image.width * channels;
    for (const Tap& column : columns) {
      for (int64_t c = 0; c < channels; ++c) {
        const auto mix = [&](const uint8_t* line) {
          const float left = line[column.lower * channels + c];
          return left + (static_cast<float>(line[column.upper * channels + c]) - left) * column.weight;
        };
        const float above = mix(top);
        *dst++ = above + (mix(bottom) - above) * row.weight;
      }
    }
  }
  return result;
}

}  // namespace tfengine::io
