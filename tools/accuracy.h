// SPDX-License-Identifier: Apache-2.0
// The accuracy contract on the command line: its options, its data with labels, and what came of it in words.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "command.h"
#include "options.h"

namespace tfengine::tools {

struct AccuracyFlags {
  std::string target;  // "99.9%" or "0.999"; empty: none
  std::string data;    // empty: the calibration data
  std::string labels;  // .npy
  int64_t samples = 512;

  void add_to(CLI::App& command, ConvertOptions& convert);
  // Fills convert.target; the source lives as long as the result. InvalidArgument naming the flag.
  std::unique_ptr<BatchSource> apply(const std::string& calibration_data, const DataOptions& read,
                                     ConvertOptions& convert) const;
};

// What was tried and what it cost, from an engine's report.
void print_ladder(const nlohmann::json& report);
// What each measure brings, where the report says it.
void print_gains(const nlohmann::json& report);
// A table of tensors: on which grid and why, what the grid clips and costs alone, and how far off it is so far.
void print_explanation(const nlohmann::json& report);

}  // namespace tfengine::tools
