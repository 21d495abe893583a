// SPDX-License-Identifier: Apache-2.0
#include "base/deflate.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"

namespace tfengine {

namespace {

constexpr size_t kStep = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kMemoryLevel = 8;            // zlib's default

// Gives `stream` the next pieces of both sides and runs `code` on them until it no longer answers Z_OK.
template <typename Code>
int run_over(z_stream& stream, std::string_view src, std::span<char> dst, size_t& written, Code code) {
  int status = Z_OK;
  size_t read = 0;
  written = 0;
  while (status == Z_OK) {
    const size_t in = std::min(kStep, src.size() - read);
    const size_t out = std::min(kStep, dst.size() - written);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(src.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(dst.data() + written);
    stream.avail_out = static_cast<uInt>(out);
    status = code(&stream, read + in == src.size());
    read += in - stream.avail_in;
    written += out - stream.avail_out;
  }
  return status;
}

}  // namespace

std::string deflate_bytes(std::string_view plain) {
  z_stream stream{};
  const int started =
      deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, kMemoryLevel, Z_DEFAULT_STRATEGY);
  check(started == Z_OK, "zlib does not start");
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  size_t written = 0;
  const int status = run_over(stream, plain, packed, written,
                              [](z_stream* s, bool last) { return deflate(s, last ? Z_FINISH : Z_NO_FLUSH); });
  deflateEnd(&stream);
  check(status == Z_STREAM_END, "zlib does not pack {} bytes", plain.size());
  packed.resize(written);
  return packed;
}

bool inflate_bytes(std::string_view packed, std::span<char> plain) {
  z_stream stream{};
  check(inflateInit2(&stream, -MAX_WBITS) == Z_OK, "zlib does not start");
  size_t written = 0;
  const int status = run_over(stream, packed, plain, written, [](z_stream* s, bool) { return inflate(s, Z_NO_FLUSH); });
  inflateEnd(&stream);
  return status == Z_STREAM_END && written == plain.size();
}

}  // namespace tfengine
