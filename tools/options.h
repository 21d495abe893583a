// SPDX-License-Identifier: Apache-2.0
// Options that several commands share, and the public API's values behind them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tfengine/convert.h"
#include "tfengine/data.h"
#include "tfengine/error.h"

namespace tfengine::tools {

// MODEL: which tensors, tags and signature.
void add_model_options(CLI::App& command, LoadOptions& options);

// DATA: how files become batches. Shapes, dtypes and per-channel numbers are parsed by parse().
class DataFlags {
 public:
  void add_to(CLI::App& command);
  // InvalidArgument naming the flag.
  DataOptions parse() const;

 private:
  DataOptions options_;
  std::string shape_;
  std::string dtype_ = "uint8";
  std::string crop_;
  std::vector<float> mean_, scale_;
};

// --memory-budget, with units, and the precisions to choose from within it.
void add_memory_budget(CLI::App& command, ConvertOptions& options);
void add_engine_options(CLI::App& command, EngineOptions& options);
// "fp32"... as CLI11's check of names.
void add_calibrator(CLI::App& command, std::string& calibrator, double& percentile);

// "[1,224,224,3]" or "1,224,224,3" or "1x224x224x3".
Shape parse_shape(const std::string& text);
// A .tfe file, or a model that is converted to fp32 first.
bool is_engine_file(const std::string& path);
// "12.3 MiB".
std::string bytes_text(uint64_t bytes);

}  // namespace tfengine::tools
