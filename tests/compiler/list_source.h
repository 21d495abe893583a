// SPDX-License-Identifier: Apache-2.0
// Batches that a test made, as a source.
#pragma once

#include <utility>
#include <vector>

#include "tfengine/data.h"

namespace tfengine {

class ListSource : public BatchSource {
 public:
  explicit ListSource(std::vector<Batch> batches) : batches_(std::move(batches)) {}
  bool next(Batch& batch) override {
    if (at_ == batches_.size()) return false;
    batch = batches_[at_++];
    ++given;
    return true;
  }
  void rewind() override { at_ = 0; }

  int given = 0;  // batches in all

 private:
  std::vector<Batch> batches_;
  size_t at_ = 0;
};

}  // namespace tfengine
