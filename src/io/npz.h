// SPDX-License-Identifier: Apache-2.0
// .npz: a zip archive of .npy members, stored or deflated.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/data.h"

namespace tfengine::io {

// Arrays in the archive's order, named without ".npy". InvalidModel with the reason (without the file's name). Stored
// members that are aligned stay views of `file`.
std::vector<NamedTensor> parse_npz(std::string_view file, const std::shared_ptr<const void>& owner);

}  // namespace tfengine::io
