// SPDX-License-Identifier: Apache-2.0
// Deflate without a frame (RFC 1951), as zip archives and engine files hold it. Sizes and checksums are the callers'.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tfengine {

// What the format can reach: 258 bytes for 2 bits. Who announces more is not to be believed.
inline constexpr uint64_t kMaxDeflateRatio = 1032;

std::string deflate_bytes(std::string_view plain);
// Whether `packed` is whole and unpacks to exactly as many bytes as `plain` has, which are then there.
bool inflate_bytes(std::string_view packed, std::span<char> plain);

}  // namespace tfengine
