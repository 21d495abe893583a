// SPDX-License-Identifier: Apache-2.0
// Ops that put elements elsewhere, as strided boxes: Tile, BroadcastTo, ReverseV2, Roll, Pack, Unpack, MirrorPad,
// DepthToSpace, SpaceToDepth, SpaceToBatchND, BatchToSpaceND, MatrixBandPart; and as indices: Gather, OneHot.
#pragma once

#include "backends/onednn/support.h"

namespace tfengine::onednn {

Tactics tile_tactics(const StepSpec& spec);
Tactics broadcast_to_tactics(const StepSpec& spec);
Tactics roll_tactics(const StepSpec& spec);
Tactics pack_tactics(const StepSpec& spec);
Tactics mirror_pad_tactics(const StepSpec& spec);
Tactics depth_space_tactics(const StepSpec& spec);
Tactics space_batch_tactics(const StepSpec& spec);
Tactics patches_tactics(const StepSpec& spec);
Tactics gather_tactics(const StepSpec& spec);
Tactics gather_nd_tactics(const StepSpec& spec);
Tactics one_hot_tactics(const StepSpec& spec);

}  // namespace tfengine::onednn
