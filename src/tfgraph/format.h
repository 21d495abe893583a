// SPDX-License-Identifier: Apache-2.0
// Recognises files that are no binary GraphDef or SavedModel, to say what they are instead of how parsing failed.
#pragma once

#include <string_view>

namespace tfengine::tfgraph {

// InvalidModel naming the format when the first bytes are those of a known other one, or of text.
void require_binary_proto(std::string_view file);

}  // namespace tfengine::tfgraph
