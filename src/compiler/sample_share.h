// SPDX-License-Identifier: Apache-2.0
// A part of a source's samples: every fourth is kept aside to judge by, the others are what measures are fitted on. Judged by
// the samples that it was fitted on, every measure looks better than it is.
#pragma once

#include <vector>

#include "tfengine/data.h"

namespace tfengine::detail {

enum class Share : uint8_t { Fitted, Aside };

class SampleShare : public BatchSource {
 public:
  // `source` must outlive it, and is rewound by it. A sample is a row of the first dimension, where all tensors of a batch
  // have that in common; else a batch is one.
  SampleShare(BatchSource& source, Share share) : source_(source), share_(share) {}

  bool next(Batch& batch) override;
  void rewind() override;

 private:
  BatchSource& source_;
  Share share_;
  int64_t seen_ = 0;
};

// Whether both shares have a sample.
bool can_share(BatchSource& source);

}  // namespace tfengine::detail
