// SPDX-License-Identifier: Apache-2.0
// Calibrations that nobody read while their session lived. TF-TRT's first API, tensorflow.contrib.tensorrt, ran the graph in a
// session that the user closes and asked for the tables afterwards: what the engines saw must outlive them. One for the
// process; the newest of a name wins.
#pragma once

#include <optional>
#include <string>

#include "tfengine/calibrate.h"

namespace tfengine::plugin {

struct LeftCalibration {
  Calibration calibration;
  std::string calibrator;
  float percentile = 99.99f;
};

void leave_calibration(const std::string& name, LeftCalibration calibration);
std::optional<LeftCalibration> left_calibration(const std::string& name);

}  // namespace tfengine::plugin
