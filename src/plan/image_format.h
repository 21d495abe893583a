// SPDX-License-Identifier: Apache-2.0
// The fixed head of an engine file, little-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine::plan {

inline constexpr char kImageMagic[9] = "TFENGINE";
inline constexpr uint32_t kImageVersion = 3;

struct ImageHeader {
  char magic[8] = {};
  uint32_t version = 0;
  uint32_t reserved = 0;
  uint64_t structure_bytes = 0;   // in the file, behind the header: the FlatBuffer, deflated or as it is
  uint64_t constants_offset = 0;  // from the start of the file, a multiple of 64
  uint64_t constants_bytes = 0;
  uint64_t checksum = 0;          // of the structure as it lies in the file
  uint64_t flatbuffer_bytes = 0;  // once inflated; 0 where it is stored as it is
  uint64_t padding = 0;
};
static_assert(sizeof(ImageHeader) == 64);

// FNV-1a: finds damage, does not authenticate.
uint64_t image_checksum(const uint8_t* data, size_t bytes);

}  // namespace tfengine::plan
