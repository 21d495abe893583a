// SPDX-License-Identifier: Apache-2.0
// Lists of tensors of one shape, which are tensors here: element i is row i of the first axis. Loops read rows by
// GatherV2 and write them by ListSetItem, which takes over the list's memory.
//
//   ListReserve(count) {element_dtype, element_shape} -> [count, element_shape...], zeros
//     The shape of its elements may become known by what a loop writes alone (infer_graph.cpp).
//     A list that `grows` begins so, and is longer later: nothing is known of its length.
//   ListSetItem(list, index, item) {resize} -> the list with row `index` replaced; one that may be resized gets rows of zeros up to
//     an index behind its end
//   ListPushBack(list, item) -> the list with a row more
//   ListPopBack(list) -> the list without its last row, and that row
//   ListLength(list) -> the size of the first axis, int32
#pragma once

#include "ir/graph.h"

namespace tfengine::ops {

// Whether a node makes a list of known length whose elements have a shape that is not known yet.
bool is_blank_list(const ir::Node& node);
// Whether a ListSetItem leaves the length as it is.
bool keeps_length(const ir::Node& node);

}  // namespace tfengine::ops
