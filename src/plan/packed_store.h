// SPDX-License-Identifier: Apache-2.0
// Constants in the form that kernels read: packed once, shared by every context and shape of an engine, held in the
// engine's weights memory. The same request twice gives the same block.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/buffer.h"
#include "tfengine/tensor.h"

namespace tfengine::plan {

class PackedStore {
 public:
  explicit PackedStore(Allocator& allocator) : allocator_(allocator) {}

  // The block for (source constant, form): `fill` writes `bytes` bytes at 64-byte alignment on the first request.
  // `form` names layout and everything else that the bytes depend on.
  std::shared_ptr<const void> get(const Tensor& source, const std::string& form, size_t bytes,
                                  const std::function<void(void*)>& fill);
  // Bytes held by blocks that are still in use.
  uint64_t bytes() const;

 private:
  struct Block {
    Buffer buffer;
    Tensor source;  // keeps the key's address unique while the block lives
  };
  Allocator& allocator_;
  mutable std::mutex mutex_;
  std::map<std::pair<const void*, std::string>, std::weak_ptr<Block>> blocks_;
};

}  // namespace tfengine::plan
