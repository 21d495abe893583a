// SPDX-License-Identifier: Apache-2.0
// Whether a graph computes each sample of a batch by itself, so that a batch may be run in chunks.
#pragma once

#include <optional>

#include "base/refusal.h"
#include "ir/graph.h"

namespace tfengine::detail {

// `whole` and `part` are one graph specialised for a batch and for a chunk of it. The reason names the node where samples meet or
// where the size of the batch itself is computed with; nullopt: every output holds, sample by sample, what it would
// hold for that sample's chunk.
std::optional<Refusal> splits_by_batch(const ir::Graph& whole, const ir::Graph& part);

}  // namespace tfengine::detail
