// SPDX-License-Identifier: Apache-2.0
// An accuracy contract: how near to the float model an INT8 engine has to stay, and how that is measured.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tfengine/data.h"

namespace tfengine {

struct AccuracyTarget {
  // Of the float model's score that has to be kept, as 0.999; 0: no contract.
  double share = 0.0;
  // What is scored on, several times: it has to rewind. Null: a quarter of ConvertOptions::samples, which measures are then
  // not fitted on.
  BatchSource* data = nullptr;
  int64_t max_samples = 512;
  // Name of the tensor of a batch that holds the class of each sample. Without labels and `score`, the share counts samples
  // whose largest output is the float model's, and, where outputs are no classes, 1 - share is the noise allowed (0.999:
  // 30 dB).
  std::string label;
  std::string metric = "top1";  // or "top5": with labels, the share of samples whose class is among the first outputs
  // The mean score of a batch's samples, more being better, in place of labels and metric.
  std::function<double(const std::vector<NamedTensor>& outputs, const Batch& batch)> score;
};

}  // namespace tfengine
