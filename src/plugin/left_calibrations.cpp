// SPDX-License-Identifier: Apache-2.0
#include "plugin/left_calibrations.h"

#include <list>
#include <mutex>
#include <utility>

namespace tfengine::plugin {

namespace {

// A process that goes on calibrating and never asks must not fill the memory; graphs have 20 engines at most by default.
constexpr size_t kMaxLeft = 64;

struct Left {
  std::mutex mutex;
  std::list<std::pair<std::string, LeftCalibration>> calibrations;  // newest first
};

// Never destroyed: sessions may be closed while the process ends.
Left& left() {
  static auto* all = new Left;
  return *all;
}

}  // namespace

void leave_calibration(const std::string& name, LeftCalibration calibration) {
  Left& all = left();
  const std::lock_guard lock(all.mutex);
  all.calibrations.remove_if([&](const auto& entry) { return entry.first == name; });
  all.calibrations.emplace_front(name, std::move(calibration));
  if (all.calibrations.size() > kMaxLeft) all.calibrations.pop_back();
}

std::optional<LeftCalibration> left_calibration(const std::string& name) {
  Left& all = left();
  const std::lock_guard lock(all.mutex);
  for (const auto& [known, calibration] : all.calibrations) {
    if (known == name) return calibration;
  }
  return std::nullopt;
}

}  // namespace tfengine::plugin
