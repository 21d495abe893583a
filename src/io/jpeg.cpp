// SPDX-License-Identifier: Apache-2.0
#include "io/jpeg.h"

#include <csetjmp>
#include <cstdio>
// libjpeg's header needs <cstdio> before it.
#include <jpeglib.h>

#include <jerror.h>

#include "base/check.h"
#include "io/image.h"

namespace tfengine::io {

namespace {

constexpr int64_t kMaxSide = 65'500;  // JPEG's own
constexpr int64_t kMaxPixels = int64_t{1} << 28;

// libjpeg reports errors through a function that must not return: it jumps back here.
struct ErrorManager {
  jpeg_error_mgr base;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
  bool truncated;
};

void on_error(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  manager->base.format_message(info, manager->message);
  std::longjmp(manager->back, 1);
}

// Warnings of a decoder that goes on with invented pixels; of these only missing data matters.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) reinterpret_cast<ErrorManager*>(info->err)->truncated = true;
}

// Nothing with a destructor lives in these two functions: longjmp runs none.
bool read_header(jpeg_decompress_struct& info, ErrorManager& errors, std::string_view file, int64_t channels) {
  if (setjmp(errors.back) != 0) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.dct_method = JDCT_ISLOW;  // TensorFlow's decode_jpeg default for exactness: INTEGER_ACCURATE
  jpeg_calc_output_dimensions(&info);
  return true;
}

bool read_pixels(jpeg_decompress_struct& info, ErrorManager& errors, uint8_t* pixels, size_t row_bytes) {
  if (setjmp(errors.back) != 0) return false;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = pixels + info.output_scanline * row_bytes;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

void check_image_size(int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide || height * width > kMaxPixels) {
    fail<InvalidModel>("the image has {} x {} pixels, expected 1 to {} a side and at most {} in all", height, width,
                       kMaxSide, kMaxPixels);
  }
}

Image decode_jpeg(std::string_view file, int64_t channels) {
  jpeg_decompress_struct info{};
  ErrorManager errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  struct Destroy {
    jpeg_decompress_struct* info;
    ~Destroy() { jpeg_destroy_decompress(info); }
  } const destroy_at_end{&info};
  if (!read_header(info, errors, file, channels)) fail<InvalidModel>("the JPEG image is malformed: {}", errors.message);
  check_image_size(info.output_height, info.output_width);
  Image image{info.output_height, info.output_width, channels, {}};
  const size_t row_bytes = static_cast<size_t>(image.width * channels);
  image.pixels.resize(row_bytes * static_cast<size_t>(image.height));
  if (!read_pixels(info, errors, image.pixels.data(), row_bytes))
    fail<InvalidModel>("the JPEG image is malformed: {}", errors.message);
  if (errors.truncated) fail<InvalidModel>("the JPEG image is cut short");
  return image;
}

}  // namespace tfengine::io
