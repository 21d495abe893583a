// SPDX-License-Identifier: Apache-2.0
#include "tfengine/shared_weights.h"

#include "plan/packed_store.h"

namespace tfengine {

SharedWeights::SharedWeights(Allocator* allocator)
    : store_(std::make_shared<plan::PackedStore>(allocator == nullptr ? default_allocator() : *allocator)) {}

SharedWeights::~SharedWeights() = default;

uint64_t SharedWeights::bytes() const { return store_->bytes(); }

}  // namespace tfengine
