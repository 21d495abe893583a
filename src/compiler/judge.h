// SPDX-License-Identifier: Apache-2.0
// Scores graphs on samples against the float one: by labels, by the caller's function, or by how far the results are apart.
#pragma once

#include <string>
#include <vector>

#include "compiler/ladder_report.h"
#include "compiler/sample_run.h"
#include "tfengine/accuracy.h"

namespace tfengine::detail {

class Judge {
 public:
  // Runs the float graph once and keeps its outputs. InvalidArgument for a wrong target or data without the label.
  Judge(const ir::Graph& float_graph, const AccuracyTarget& target, BatchSource& data,
        const runtime::EngineConfig& config);

  // On all samples of the target, or the first `most`.
  Score score(const ir::Graph& graph, int64_t most = INT64_MAX) const;
  bool holds(const Score& score) const;

  const Score& of_float() const { return float_score_; }
  // A sentence: what is measured, on what, and the least that is good enough.
  std::string terms() const;
  // "0.9875 (24.1 dB)", in the target's terms.
  std::string text(const Score& score) const;

 private:
  double score_batch(const std::vector<NamedTensor>& outputs, const std::vector<NamedTensor>& reference,
                     const Batch& batch) const;
  bool by_noise() const { return !labelled_ && !target_.score && !classes_; }

  const AccuracyTarget& target_;
  BatchSource& data_;
  runtime::EngineConfig config_;
  bool labelled_ = false;
  bool classes_ = false;  // the first output has a row of scores for each sample
  std::vector<std::vector<NamedTensor>> reference_;
  Score float_score_;
};

}  // namespace tfengine::detail
