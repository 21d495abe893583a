// SPDX-License-Identifier: Apache-2.0
// Tables of ranges in any of the forms that are met: read by what they look like, written by name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quantize/range_table.h"

namespace tfengine::quantize {

enum class TableFormat : uint8_t {
  Tfengine,  // JSON that keeps source and origin
  TensorRt,  // its calibration cache
  OnnxRuntimeJson,
  OnnxRuntimeText,
  OnnxRuntimeFlatbuffers,
};

std::span<const std::string_view> table_format_names();
std::string_view table_format_name(TableFormat format);
// InvalidArgument for an unknown name.
TableFormat table_format_from_name(std::string_view name);

struct TableFile {
  TableFormat format = TableFormat::Tfengine;
  std::string algorithm;  // TensorRT's, if the file says
  RangeTable table;
};

// `what` names the source in messages. InvalidModel when it is malformed.
TableFile parse_table(std::string_view bytes, const std::string& what);
// `calibrator` is what the ranges were made with, for TensorRT's head line.
std::string format_table(const RangeTable& table, TableFormat format, std::string_view calibrator);

struct TableDifference {
  std::string tensor;
  const RangeEntry* first = nullptr;  // null where the table does not have it
  const RangeEntry* second = nullptr;
};
// What differs by more than `tolerance` of the larger range, and what only one of them has; by name.
std::vector<TableDifference> compare_tables(const RangeTable& first, const RangeTable& second, double tolerance);

}  // namespace tfengine::quantize
