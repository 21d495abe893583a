// SPDX-License-Identifier: Apache-2.0
#include "tfengine/table.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "range_json.h"

namespace tfengine::tools {

namespace {

using Json = nlohmann::json;

struct Options {
  std::vector<std::string> files;
  std::string output_file;
  std::string format = "tfengine";
  std::string calibrator = "entropy";
  double tolerance = 0.0;
};

void print(const Json& document) { fmt::print("{}\n", document.dump(1, ' ', false, Json::error_handler_t::replace)); }

Json json_of(const std::optional<TensorRange>& range) { return range ? range_json(*range) : Json(); }

void show(const Options& options, const Output& output) {
  const RangeTable table = RangeTable::load(options.files[0]);
  const std::vector<TensorRange> ranges = table.ranges();
  if (output.json) {
    Json list = Json::array();
    for (const TensorRange& range : ranges) list.push_back(range_json(range));
    return print({{"format", table.format()}, {"ranges", list}});
  }
  fmt::print("{}: {} tensors, format {}\n", options.files[0], ranges.size(), table.format());
  for (const TensorRange& range : ranges) {
    fmt::print("{:>14.6g}  {:<10}  {}\n", range.max_abs, range.source, range.tensor);
  }
}

void write(const Options& options, const Output& output) {
  RangeTable table = RangeTable::load(options.files[0]);
  for (size_t i = 1; i < options.files.size(); ++i) table.merge(RangeTable::load(options.files[i]));
  table.save(options.output_file, options.format, options.calibrator);
  if (output.json) {
    print({{"file", options.output_file}, {"format", options.format}, {"tensors", table.ranges().size()}});
  } else if (!output.quiet) {
    fmt::print("{}: {} tensors, format {}\n", options.output_file, table.ranges().size(), options.format);
  }
}

std::string text_of(const std::optional<TensorRange>& range) {
  return range ? fmt::format("{:.6g}", range->max_abs) : "-";
}

void diff(const Options& options, const Output& output) {
  const RangeTable first = RangeTable::load(options.files[0]);
  const auto differences = first.diff(RangeTable::load(options.files[1]), options.tolerance);
  if (output.json) {
    Json list = Json::array();
    for (const TableDifference& found : differences) {
      list.push_back({{"tensor", found.tensor}, {"first", json_of(found.first)}, {"second", json_of(found.second)}});
    }
    return print({{"differences", list}});
  }
  for (const TableDifference& found : differences) {
    fmt::print("{:>14}  {:>14}  {}\n", text_of(found.first), text_of(found.second), found.tensor);
  }
  if (!output.quiet) fmt::print("{} tensors differ\n", differences.size());
}

void add_output(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output_file, "File to write")->required();
  command
      .add_option("--to", options.format,
                  "tfengine, tensorrt, onnxruntime-json, onnxruntime-text or onnxruntime-flatbuffers")
      ->capture_default_str();
  command.add_option("--calibrator", options.calibrator, "tensorrt: which calibrator the head line names")
      ->capture_default_str();
}

}  // namespace

void add_table(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "table", "Tables of INT8 ranges: TensorRT's calibration cache, ONNX Runtime's tables, and our own");
  command->require_subcommand(1);
  CLI::App* shown = command->add_subcommand("show", "Print a table");
  shown->add_option("table", options->files, "File of any of the formats")->required()->expected(1);
  shown->callback([options, &output] { show(*options, output); });
  CLI::App* converted = command->add_subcommand("convert", "Write a table in another format");
  converted->add_option("table", options->files, "File of any of the formats")->required()->expected(1);
  converted->callback([options, &output] { write(*options, output); });
  add_output(*converted, *options);
  CLI::App* merged = command->add_subcommand(
      "merge", "Write several tables as one; given ranges win over calibrated ones, later tables over earlier");
  merged->add_option("tables", options->files, "Files of any of the formats")->required()->expected(1, -1);
  merged->callback([options, &output] { write(*options, output); });
  add_output(*merged, *options);
  CLI::App* compared = command->add_subcommand("diff", "Print what two tables say differently");
  compared->add_option("tables", options->files, "Two files of any of the formats")->required()->expected(2);
  compared->add_option("--tolerance", options->tolerance, "Share of the larger range that is no difference")
      ->capture_default_str();
  compared->callback([options, &output] { diff(*options, output); });
}

}  // namespace tfengine::tools
