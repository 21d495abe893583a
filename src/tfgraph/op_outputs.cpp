// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/op_outputs.h"

#include <algorithm>
#include <array>

namespace tfengine::tfgraph {

namespace {

struct Row {
  std::string_view op;
  std::array<std::string_view, 7> outputs;
};

// From tensorflow/core/ops/*.cc: ops with more than one output argument.
constexpr Row kOutputs[] = {
    {"BlockLSTM", {"i", "cs", "f", "o", "ci", "co", "h"}},
    {"BlockLSTMV2", {"i", "cs", "f", "o", "ci", "co", "h"}},
    {"CombinedNonMaxSuppression", {"nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"}},
    {"FusedBatchNorm", {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"}},
    {"FusedBatchNormV2", {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"}},
    {"FusedBatchNormV3",
     {"y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"}},
    {"GRUBlockCell", {"r", "u", "c", "h"}},
    {"LSTMBlockCell", {"i", "cs", "f", "o", "ci", "co", "h"}},
    {"ListDiff", {"out", "idx"}},
    {"MaxPoolWithArgmax", {"output", "argmax"}},
    {"Merge", {"output", "value_index"}},
    {"NonMaxSuppressionV4", {"selected_indices", "valid_outputs"}},
    {"NonMaxSuppressionV5", {"selected_indices", "selected_scores", "valid_outputs"}},
    {"Qr", {"q", "r"}},
    {"QuantizeV2", {"output", "output_min", "output_max"}},
    {"Requantize", {"output", "output_min", "output_max"}},
    {"SelfAdjointEigV2", {"e", "v"}},
    {"StringSplitV2", {"indices", "values", "shape"}},
    {"Svd", {"s", "u", "v"}},
    {"Switch", {"output_false", "output_true"}},
    {"TensorArrayV3", {"handle", "flow"}},
    {"TensorListPopBack", {"output_handle", "tensor"}},
    {"TopK", {"values", "indices"}},
    {"TopKV2", {"values", "indices"}},
    {"Unique", {"y", "idx"}},
    {"UniqueV2", {"y", "idx"}},
    {"UniqueWithCounts", {"y", "idx", "count"}},
    {"UniqueWithCountsV2", {"y", "idx", "count"}},
};

const Row* find_row(std::string_view op) {
  const auto* found =
      std::find_if(std::begin(kOutputs), std::end(kOutputs), [op](const Row& row) { return row.op == op; });
  return found == std::end(kOutputs) ? nullptr : found;
}

}  // namespace

int output_offset(std::string_view op, std::string_view output_name) {
  const Row* row = find_row(op);
  if (row == nullptr) return 0;
  const auto found = std::find(row->outputs.begin(), row->outputs.end(), output_name);
  if (found == row->outputs.end() || output_name.empty()) {
    fail<InvalidModel>("op {} has no output '{}'", op, output_name);
  }
  return static_cast<int>(found - row->outputs.begin());
}

int minimum_outputs(const NodeDef& node) {
  // Inference uses the first output of batch normalization alone.
  if (node.op.substr(0, 14) == "FusedBatchNorm") return 1;
  int64_t count = 1;
  if (node.op == "Split" || node.op == "SplitV") count = attr_int(node, "num_split", 1);
  if (node.op == "Unpack") count = attr_int(node, "num", 1);
  if (count < 1 || count > 65536)
    fail<InvalidModel>("{} '{}' has {} outputs, expected 1 to 65536", node.op, node.name, count);
  if (const Row* row = find_row(node.op)) {
    count = static_cast<int64_t>(
        std::count_if(row->outputs.begin(), row->outputs.end(), [](std::string_view name) { return !name.empty(); }));
  }
  return static_cast<int>(count);
}

}  // namespace tfengine::tfgraph
