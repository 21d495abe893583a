// SPDX-License-Identifier: Apache-2.0
// Weights that several engines have in common, packed and held once.
#pragma once

#include <cstdint>
#include <memory>

#include "tfengine/allocator.h"
#include "tfengine/export.h"

namespace tfengine {

namespace plan {
class PackedStore;
}

// Engines that are given the same one (EngineOptions::shared_weights) find each other's packed weights by content: the same
// model loaded twice, or models with the same layers in front, hold them once. Content is compared by a hash of 128 bits that
// is not made to withstand forgery: share among models that you trust alike.
class TFE_API SharedWeights {
 public:
  // `allocator` (null: default_allocator()) outlives it; the memory counts there, and in no engine's own limit.
  explicit SharedWeights(Allocator* allocator = nullptr);
  ~SharedWeights();
  SharedWeights(const SharedWeights&) = delete;
  SharedWeights& operator=(const SharedWeights&) = delete;
  // Held now, by all engines together.
  uint64_t bytes() const;

  const std::shared_ptr<plan::PackedStore>& store() const { return store_; }

 private:
  std::shared_ptr<plan::PackedStore> store_;
};

}  // namespace tfengine
