// SPDX-License-Identifier: Apache-2.0
// Progress of long work on standard error: one line that rewrites itself on a terminal, with rate and time left; a plain
// line now and then elsewhere; nothing when quiet.
#pragma once

#include <chrono>
#include <string>

#include "command.h"
#include "tfengine/calibrate.h"

namespace tfengine::tools {

class ProgressLine {
 public:
  explicit ProgressLine(const Output& output);
  ~ProgressLine();
  void show(const std::string& what, int64_t done, int64_t total);
  // As the API's callback; this object must outlive it.
  Progress callback();

 private:
  void end_line();
  bool quiet_;
  bool terminal_;
  bool open_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point start_, last_;
};

// A sentence on standard error, unless quiet.
void note(const Output& output, const std::string& sentence);

}  // namespace tfengine::tools
