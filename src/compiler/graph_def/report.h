// SPDX-License-Identifier: Apache-2.0
// What became of a GraphDef, for the caller: numbers, engines, reasons.
#pragma once

#include "compiler/graph_def/emit.h"
#include "compiler/graph_def/segments.h"

namespace tfengine::graphdef {

GraphDefConversion make_conversion(const GraphView& view, const GraphTypes& types, const SegmentationResult& found,
                                   const std::vector<EngineText>& engines, Emitted emitted);

}  // namespace tfengine::graphdef
