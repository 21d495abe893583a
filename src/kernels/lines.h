// SPDX-License-Identifier: Apache-2.0
// Ops along one axis of tensors of any number type: running totals, the largest or smallest element's place, the k largest,
// and reductions that reduce.h, whose numbers are float32, leaves. A tensor is [outer][size][inner].
#pragma once

#include <cstdint>

#include "kernels/num.h"

namespace tfengine::kernels {

struct LineShape {
  int64_t outer = 1, size = 1, inner = 1;
};

enum class Running : uint8_t { Sum, Product };
// Totals of real numbers are kept in double, integers wrap.
void running_total(Running kind, Num type, const LineShape& shape, bool exclusive, bool reverse, const void* src,
                   void* dst, int threads);

// The first place of the largest (or smallest) element; dst is int32 or, where `wide`, int64. size is at least 1.
void extreme_place(bool largest, Num type, const LineShape& shape, const void* src, bool wide, void* dst, int threads);

// The k largest of each of `rows` rows of `size` elements in falling order, and their places; the lower place first among
// equals. k is at most size.
void largest_of_rows(Num type, int64_t rows, int64_t size, int64_t k, const void* src, void* values, int32_t* places,
                     int threads);

enum class Fold : uint8_t { Sum, Mean, Max, Min, Product, All, Any };
// dst [outer][inner].
void fold_lines(Fold kind, Num type, const LineShape& shape, const void* src, void* dst, int threads);

}  // namespace tfengine::kernels
