// SPDX-License-Identifier: Apache-2.0
// Constants in the form that kernels read: packed once, shared by every context and shape of an engine, held in the
// engine's weights memory. The same request twice gives the same block, even if the constant was freed and read again in
// between: blocks are found by the constant's content.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/buffer.h"
#include "plan/device.h"
#include "tfengine/tensor.h"

namespace tfengine::plan {

class PackedStore {
 public:
  // `device`: whose memory the allocator gives; null: the host's.
  explicit PackedStore(Allocator& allocator, const Device* device = nullptr) : allocator_(allocator), device_(device) {}
  // The part of `shared` that one engine uses: blocks are found and packed there, and counted here.
  PackedStore(Allocator& allocator, std::shared_ptr<PackedStore> shared, const Device* device = nullptr)
      : allocator_(allocator), device_(device), shared_(std::move(shared)) {}
  // For a trial: what `known` has is taken from there, and only the rest is packed, for a while.
  PackedStore(Allocator& allocator, const PackedStore& known, const Device* device = nullptr)
      : allocator_(allocator), device_(device), purpose_(Purpose::Temporary), known_(&known) {}

  // The block for (source constant, form): `fill` writes `bytes` bytes at 64-byte alignment on the first request. On a device
  // it writes into host memory, from where they are copied.
  // `form` names layout and everything else that the bytes depend on; alone, where `source` is an undefined tensor.
  std::shared_ptr<const void> get(const Tensor& source, const std::string& form, size_t bytes,
                                  const std::function<void(void*)>& fill);
  // Whether some form of the constant is held.
  bool holds(const Tensor& source) const;
  // Bytes held by blocks that are still in use.
  uint64_t bytes() const;

 private:
  // 128 bits of hash, the size and the element type: equal for different constants only by design, and then of one model.
  struct Key {
    uint64_t high = 0, low = 0;
    uint64_t bytes = 0;
    DType dtype = DType::Invalid;
    std::string form;
    auto operator<=>(const Key&) const = default;
  };
  static Key key_of(const Tensor& source, const std::string& form);
  std::shared_ptr<Buffer> find(const Key& key) const;
  std::shared_ptr<Buffer> find_or_pack(const Key& key, size_t bytes, const std::function<void(void*)>& fill);
  void forget_freed();

  void fill_block(void* block, size_t bytes, const std::function<void(void*)>& fill);

  Allocator& allocator_;
  const Device* device_ = nullptr;
  std::unique_ptr<Queue> uploads_;  // made when first needed
  Purpose purpose_ = Purpose::Weights;
  const PackedStore* known_ = nullptr;
  std::shared_ptr<PackedStore> shared_;
  mutable std::mutex mutex_;
  std::map<Key, std::weak_ptr<Buffer>> blocks_;
  size_t forget_at_ = 256;
};

}  // namespace tfengine::plan
