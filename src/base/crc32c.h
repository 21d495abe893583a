// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli) and its masked form, the checksums inside TensorBundle and TFRecord files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tfengine {

uint32_t crc32c(const void* data, size_t bytes, uint32_t crc = 0);

// Rotation and offset of LevelDB's format, so that a checksum of data that holds checksums stays a good one.
constexpr uint32_t masked_crc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

}  // namespace tfengine
