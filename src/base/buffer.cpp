// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "base/out_of_memory.h"

namespace tfengine {

Buffer::Buffer(Allocator& allocator, size_t bytes, Purpose purpose, const std::string& what)
    : allocator_(&allocator), bytes_(bytes), purpose_(purpose) {
  if (bytes == 0) return;
  data_ = static_cast<std::byte*>(allocator.allocate(bytes, kAlignment, purpose));
  if (data_ == nullptr) throw_out_of_memory(allocator, bytes, purpose, what);
}

Buffer::~Buffer() {
  if (data_ != nullptr) allocator_->deallocate(data_, bytes_, purpose_);
}

}  // namespace tfengine
