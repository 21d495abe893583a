// SPDX-License-Identifier: Apache-2.0
// The .npy format inside a file or an archive; reading and writing of whole files is in tfengine/data.h.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tfengine/tensor.h"

namespace tfengine::io {

// A view of `file` where it is aligned, little-endian and C-ordered; a copy otherwise. InvalidModel with the reason
// (without the file's name) when it is malformed or holds what is no array of numbers.
Tensor parse_npy(std::string_view file, std::shared_ptr<const void> owner);
// The header with its padding, for a tensor's bytes to follow.
std::string npy_header(const Tensor& tensor);

}  // namespace tfengine::io
