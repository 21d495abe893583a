// SPDX-License-Identifier: Apache-2.0
// The error of a refused allocation, with all that there is to say about it.
#pragma once

#include <string>

#include "tfengine/allocator.h"

namespace tfengine {

// `what` names the tensor, step or thing that the memory was for; MemoryLabel says the rest.
[[noreturn]] void throw_out_of_memory(const Allocator& allocator, size_t bytes, Purpose purpose,
                                      const std::string& what);

}  // namespace tfengine
