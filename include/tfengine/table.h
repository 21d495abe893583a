// SPDX-License-Identifier: Apache-2.0
// Tables of INT8 ranges as files: TensorRT's calibration cache, ONNX Runtime's tables, and our own.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/calibrate.h"
#include "tfengine/export.h"

namespace tfengine {

namespace detail {
struct TableImpl;
}

// What two tables say of a tensor; nothing where a table does not have it.
struct TableDifference {
  std::string tensor;
  std::optional<TensorRange> first, second;
};

class TFE_API RangeTable {
 public:
  RangeTable();
  // From a file of any of the formats below; which one it is shows from its content. InvalidModel when it is malformed,
  // InvalidArgument when it cannot be read.
  static RangeTable load(const std::filesystem::path& path);
  static RangeTable from_bytes(std::string_view bytes, const std::string& name = "table");

  // "tfengine" (JSON that keeps where each range is from), "tensorrt" (calibration cache; `calibrator` chooses its head
  // line), "onnxruntime-json", "onnxruntime-text", "onnxruntime-flatbuffers". InvalidArgument for another name.
  std::string to_bytes(const std::string& format = "tfengine", const std::string& calibrator = "entropy") const;
  // The file appears whole or not at all.
  void save(const std::filesystem::path& path, const std::string& format = "tfengine",
            const std::string& calibrator = "entropy") const;

  // Of the file it was read from; "tfengine" for a new table.
  std::string format() const;
  std::vector<TensorRange> ranges() const;  // by name
  // InvalidArgument unless max_abs is finite and not negative, low not above high, and source custom, calibrated or rule. An
  // empty origin becomes "given".
  void set(const TensorRange& range);
  // Adds the ranges of another table. Of two for one tensor, custom wins over calibrated, that over one by rule; of equal
  // sources the other table's.
  void merge(const RangeTable& other);
  // What differs by more than `tolerance` of the larger range, and what only one of the tables has; by name.
  std::vector<TableDifference> diff(const RangeTable& other, double tolerance = 0.0) const;

 private:
  std::shared_ptr<detail::TableImpl> impl_;
};

}  // namespace tfengine
