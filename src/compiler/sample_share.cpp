// SPDX-License-Identifier: Apache-2.0
#include "compiler/sample_share.h"

#include <algorithm>
#include <cstring>

namespace tfengine::detail {

namespace {

constexpr int64_t kEvery = 4;

// The rows that a batch can be taken apart into; 1 where it cannot.
int64_t rows_of(const Batch& batch) {
  int64_t rows = -1;
  for (const NamedTensor& each : batch) {
    const int64_t own = each.tensor.shape().rank() == 0 ? 1 : each.tensor.shape()[0];
    if (rows >= 0 && own != rows) return 1;
    rows = own;
  }
  return std::max<int64_t>(rows, 1);
}

Tensor take_rows(const Tensor& from, const std::vector<int64_t>& rows) {
  Shape shape = from.shape();
  const size_t bytes = from.bytes() / static_cast<size_t>(shape[0]);
  shape[0] = static_cast<int64_t>(rows.size());
  Tensor taken(from.dtype(), shape);
  auto* to = static_cast<std::byte*>(taken.mutable_data());
  for (const int64_t row : rows) {
    std::memcpy(to, static_cast<const std::byte*>(from.data()) + static_cast<size_t>(row) * bytes, bytes);
    to += bytes;
  }
  return taken;
}

}  // namespace

bool SampleShare::next(Batch& batch) {
  while (source_.next(batch)) {
    const int64_t rows = batch.empty() ? 0 : rows_of(batch);
    std::vector<int64_t> taken;
    for (int64_t i = 0; i < rows; ++i) {
      const bool aside = seen_++ % kEvery == kEvery - 1;
      if (aside == (share_ == Share::Aside)) taken.push_back(i);
    }
    if (taken.empty()) continue;
    if (static_cast<int64_t>(taken.size()) == rows) return true;
    for (NamedTensor& each : batch) each.tensor = take_rows(each.tensor, taken);
    return true;
  }
  return false;
}

void SampleShare::rewind() {
  source_.rewind();
  seen_ = 0;
}

bool can_share(BatchSource& source) {
  SampleShare aside(source, Share::Aside);
  aside.rewind();
  Batch batch;
  return aside.next(batch);
}

}  // namespace tfengine::detail
