// SPDX-License-Identifier: Apache-2.0
// The sorted table file format (LevelDB's, as TensorFlow's checkpoints use it for their index), read whole with every
// length checked. LevelDB's own reader trusts block handles, and index files are untrusted.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace tfengine::tfgraph {

// Keys and values of an uncompressed table. InvalidModel where the bytes are no such table or a checksum is wrong.
std::map<std::string, std::string_view> read_table(std::string_view file);

}  // namespace tfengine::tfgraph
