// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace tfengine::tools {

namespace {
using Clock = std::chrono::steady_clock;
double seconds(Clock::duration span) { return std::chrono::duration<double>(span).count(); }
// A terminal is rewritten ten times a second; a log gets a line every five.
constexpr double kTerminalPause = 0.1;
constexpr double kLogPause = 5.0;
}  // namespace

ProgressLine::ProgressLine(const Output& output) : quiet_(output.quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() { end_line(); }

void ProgressLine::end_line() {
  if (open_ && terminal_) std::fputc('\n', stderr);
  open_ = false;
}

void ProgressLine::show(const std::string& what, int64_t done, int64_t total) {
  if (quiet_) return;
  const auto now = Clock::now();
  if (what != what_) {
    end_line();
    what_ = what;
    start_ = last_ = now;
  }
  const bool finished = done == total;
  if (!finished && seconds(now - last_) < (terminal_ ? kTerminalPause : kLogPause)) return;
  last_ = now;
  const double elapsed = seconds(now - start_);
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0.0;
  std::string line = total > 0 ? fmt::format("{}: {} of {}", what, done, total) : fmt::format("{}: {}", what, done);
  if (rate > 0 && elapsed > 0.5) {
    line += fmt::format(", {:.1f}/s", rate);
    if (total > done) line += fmt::format(", {:.0f} s left", static_cast<double>(total - done) / rate);
  }
  std::fprintf(stderr, terminal_ ? "\r\x1b[K%s" : "%s\n", line.c_str());
  open_ = true;
  if (finished) end_line();
}

Progress ProgressLine::callback() {
  return [this](const std::string& what, int64_t done, int64_t total) { show(what, done, total); };
}

void note(const Output& output, const std::string& sentence) {
  if (!output.quiet) std::fprintf(stderr, "%s\n", sentence.c_str());
}

}  // namespace tfengine::tools
