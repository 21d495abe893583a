// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "base/check.h"

namespace tfengine {

Buffer::Buffer(Allocator& allocator, size_t bytes, Purpose purpose, const std::string& what)
    : allocator_(&allocator), bytes_(bytes), purpose_(purpose) {
  if (bytes == 0) return;
  data_ = static_cast<std::byte*>(allocator.allocate(bytes, kAlignment, purpose));
  if (data_ == nullptr) {
    const uint64_t limit = allocator.limit_bytes();
    throw OutOfMemory(
        fmt::format("out of memory: {} bytes of {} memory for {}; {} bytes in use, limit {}", bytes,
                    purpose_name(purpose), what, allocator.bytes_in_use(),
                    limit == UINT64_MAX ? std::string("none (the system refused)") : fmt::format("{} bytes", limit)),
        bytes, limit);
  }
}

Buffer::~Buffer() {
  if (data_ != nullptr) allocator_->deallocate(data_, bytes_, purpose_);
}

}  // namespace tfengine
