// SPDX-License-Identifier: Apache-2.0
// Little-endian bytes in and out, for the files of this folder. Reading checks every length: files are untrusted.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

namespace tfengine::quantize {

class ByteWriter {
 public:
  void fixed(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_.push_back(static_cast<char>(value >> (8 * i)));
  }
  // 7 bits a byte, low bits first, the upper bit set on all but the last.
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_.push_back(static_cast<char>(value | 0x80));
    text_.push_back(static_cast<char>(value));
  }
  void f32(float value) { fixed(std::bit_cast<uint32_t>(value), 4); }
  void string(std::string_view value) {
    varint(value.size());
    text_ += value;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class ByteReader {
 public:
  // `what` names the file in messages.
  ByteReader(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {}

  uint64_t fixed(int bytes) {
    const std::string_view part = take(static_cast<uint64_t>(bytes));
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(part[static_cast<size_t>(i)])) << (8 * i);
    }
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail<InvalidModel>("{}: a number at byte {} has more than 64 bits", what_, at_);
  }
  float f32() { return std::bit_cast<float>(static_cast<uint32_t>(fixed(4))); }
  std::string string() { return std::string(take(varint())); }
  std::string_view take(uint64_t bytes) {
    if (bytes > text_.size() - at_) {
      fail<InvalidModel>("{}: truncated at byte {}: expected {} more bytes, got {}", what_, at_, bytes,
                         text_.size() - at_);
    }
    const std::string_view part = text_.substr(at_, bytes);
    at_ += bytes;
    return part;
  }
  size_t left() const { return text_.size() - at_; }
  const std::string& what() const { return what_; }

 private:
  std::string_view text_;
  std::string what_;
  size_t at_ = 0;
};

// A block: magic, version (u32), body, FNV-1a hash of all before it (u64).
inline uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3u;
  return hash;
}

inline ByteWriter begin_block(std::string_view magic, uint64_t version) {
  ByteWriter out;
  for (const char byte : magic) out.fixed(static_cast<uint8_t>(byte), 1);
  out.fixed(version, 4);
  return out;
}

inline std::string end_block(ByteWriter out) {
  out.fixed(fnv1a(out.text()), 8);
  return out.text();
}

// The body, checked. `kind` says what the block should be, `what` names it in messages.
inline ByteReader open_block(std::string_view bytes, std::string_view magic, uint64_t version, std::string_view kind,
                             const std::string& what) {
  if (bytes.substr(0, magic.size()) != magic) {
    fail<InvalidModel>("{}: not {} (it does not start with '{}')", what, kind, magic);
  }
  if (bytes.size() < magic.size() + 12) fail<InvalidModel>("{}: truncated: only {} bytes", what, bytes.size());
  const std::string_view body = bytes.substr(0, bytes.size() - 8);
  ByteReader in(body.substr(magic.size()), what);
  const uint64_t found = in.fixed(4);
  if (found != version) fail<InvalidModel>("{}: format version {}, expected {}", what, found, version);
  if (ByteReader(bytes.substr(body.size()), what).fixed(8) != fnv1a(body)) {
    fail<InvalidModel>("{}: checksum mismatch: the file is truncated or corrupted", what);
  }
  return in;
}

}  // namespace tfengine::quantize
