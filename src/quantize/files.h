// SPDX-License-Identifier: Apache-2.0
// Small whole files, read with a limit and written so that a reader never sees half of one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tfengine::quantize {

// InvalidArgument when it cannot be read; InvalidModel when it is larger than `limit_bytes`.
std::string read_whole_file(const std::string& path, uint64_t limit_bytes = uint64_t{1} << 30);
// Writes beside `path` and renames. InvalidArgument naming the path and the system's reason.
void write_file_atomically(const std::string& path, std::string_view content);

}  // namespace tfengine::quantize
