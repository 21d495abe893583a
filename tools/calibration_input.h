// SPDX-License-Identifier: Apache-2.0
// Where conversions on the command line have INT8 ranges from: saved histograms, or data to calibrate on.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "options.h"
#include "progress.h"
#include "tfengine/convert.h"

namespace tfengine::tools {

struct CalibrationInput {
  std::string data, histograms, table, resume;
  DataFlags data_flags;
  int64_t samples = 512;

  void add_to(CLI::App& command, ConvertOptions& convert);
  // nullopt when neither was given. Calibrates with the threads and the denylist of `convert`; notes what the data lack.
  std::optional<Calibration> obtain(const Model& model, const ConvertOptions& convert, ProgressLine& progress,
                                    const Output& output) const;
};

}  // namespace tfengine::tools
