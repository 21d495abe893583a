// SPDX-License-Identifier: Apache-2.0
#include "tfengine/table.h"

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "compiler/calibration_impl.h"
#include "quantize/tables/table_file.h"

namespace tfengine {

namespace detail {
struct TableImpl {
  quantize::TableFile file;
};
}  // namespace detail

namespace {

std::optional<TensorRange> range_from(const std::string& name, const quantize::RangeEntry* entry) {
  return entry == nullptr ? std::nullopt : std::optional(detail::range_from(name, *entry));
}

ir::RangeSource source_from(const TensorRange& range) {
  if (const auto source = quantize::find_source(range.source)) return *source;
  fail<InvalidArgument>("the range of tensor '{}' has the source '{}', expected custom, calibrated or rule",
                        range.tensor, range.source);
}

}  // namespace

RangeTable::RangeTable() : impl_(std::make_shared<detail::TableImpl>()) {}

RangeTable RangeTable::load(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path.string());
  return from_bytes(file->text(), "'" + path.string() + "'");
}

RangeTable RangeTable::from_bytes(std::string_view bytes, const std::string& name) {
  RangeTable table;
  table.impl_->file = quantize::parse_table(bytes, name);
  return table;
}

std::string RangeTable::to_bytes(const std::string& format, const std::string& calibrator) const {
  return quantize::format_table(impl_->file.table, quantize::table_format_from_name(format), calibrator);
}

void RangeTable::save(const std::filesystem::path& path, const std::string& format,
                      const std::string& calibrator) const {
  write_file_atomically(path.string(), to_bytes(format, calibrator));
}

std::string RangeTable::format() const { return std::string(quantize::table_format_name(impl_->file.format)); }

std::vector<TensorRange> RangeTable::ranges() const {
  std::vector<TensorRange> ranges;
  for (const auto& [name, entry] : impl_->file.table.entries()) ranges.push_back(detail::range_from(name, entry));
  return ranges;
}

void RangeTable::set(const TensorRange& range) {
  if (!(range.low <= range.high)) {
    fail<InvalidArgument>("the values of tensor '{}' go from {} to {}, expected numbers in order", range.tensor,
                          range.low, range.high);
  }
  impl_->file.table.set(range.tensor,
                        {range.max_abs, source_from(range), range.non_negative,
                         range.origin.empty() ? std::string("given") : range.origin, range.low, range.high});
}

void RangeTable::merge(const RangeTable& other) { impl_->file.table.merge(other.impl_->file.table); }

std::vector<TableDifference> RangeTable::diff(const RangeTable& other, double tolerance) const {
  if (!(tolerance >= 0.0)) fail<InvalidArgument>("tolerance: got {}, expected at least 0", tolerance);
  std::vector<TableDifference> differences;
  for (const quantize::TableDifference& found :
       quantize::compare_tables(impl_->file.table, other.impl_->file.table, tolerance)) {
    differences.push_back(
        {found.tensor, range_from(found.tensor, found.first), range_from(found.tensor, found.second)});
  }
  return differences;
}

}  // namespace tfengine
