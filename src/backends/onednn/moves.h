// SPDX-License-Identifier: Apache-2.0
// Ops that put elements elsewhere, as strided boxes: Tile, BroadcastTo, Roll, Pack, MirrorPad, DepthToSpace, SpaceToDepth,
// SpaceToBatchND, BatchToSpaceND, ExtractImagePatches.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

// Why input `data` does more than move, if it does: it is no dense tensor of the output's type and scale, or its elements
// are of a width that copies do not know.
std::optional<Refusal> moves_refusal(const StepSpec& spec, size_t data);

Tactics tile_tactics(const StepSpec& spec);
Tactics broadcast_to_tactics(const StepSpec& spec);
Tactics roll_tactics(const StepSpec& spec);
Tactics pack_tactics(const StepSpec& spec);
Tactics mirror_pad_tactics(const StepSpec& spec);
Tactics depth_space_tactics(const StepSpec& spec);
Tactics space_batch_tactics(const StepSpec& spec);
Tactics patches_tactics(const StepSpec& spec);
Tactics band_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
