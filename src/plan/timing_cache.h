// SPDX-License-Identifier: Apache-2.0
// Measured times of tactics, kept across conversions in a text file: one line per (CPU, library, step, tactic). A step's
// key holds all that its speed depends on, so the file may be shared by models and grows by what is new.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "plan/backend.h"

namespace tfengine::plan {

class TimingCache {
 public:
  // Reads `path` if it exists. Lines of another version or machine are kept and not used; InvalidModel if malformed.
  void load(const std::filesystem::path& path);
  // Writes all lines; the file is replaced as a whole.
  void save(const std::filesystem::path& path) const;

  std::optional<double> find(const std::string& step_key, const std::string& tactic) const;
  void add(const std::string& step_key, const std::string& tactic, double time_us);
  size_t size() const;
  bool changed() const { return changed_; }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, double> times_;
  bool changed_ = false;
};

// Op, attributes, shapes, dtypes, strides, epilogue, threads, CPU model and instruction sets.
std::string step_key(const StepSpec& spec);
// The CPU as the key sees it: vendor, family, model and the vector instruction sets.
const std::string& cpu_key();

}  // namespace tfengine::plan
