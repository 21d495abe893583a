// SPDX-License-Identifier: Apache-2.0
#include "calibration_input.h"

namespace tfengine::tools {

void CalibrationInput::add_to(CLI::App& command, ConvertOptions& convert) {
  command.add_option("--calibration-data", data,
                     "int8: .npy, .npz, a folder of them, TFRecords, or a folder of images");
  command.add_option("--calibration", histograms, "int8: histograms saved by `tfengine calibrate`, instead of data");
  command.add_option("--calibration-table", table,
                     "int8: ranges by tensor name, as TensorRT, ONNX Runtime or `tfengine table` write them");
  command.add_option("--resume", resume,
                     "File that keeps what is calibrated so far; when it is there, calibration goes on from it");
  command.add_option("--num-calibration-samples", samples, "Samples of the data to use")->capture_default_str();
  add_calibrator(command, convert.calibrator, convert.percentile);
  data_flags.add_to(command);
}

std::optional<Calibration> CalibrationInput::obtain(const Model& model, const ConvertOptions& convert,
                                                    ProgressLine& progress, const Output& output) const {
  std::optional<Calibration> calibration;
  if (!histograms.empty()) {
    calibration = Calibration::load(histograms);
  } else if (!data.empty()) {
    DataOptions data_options = data_flags.parse();
    data_options.limit = samples;
    const auto source = open_data(data, data_options);
    CalibrateOptions options;
    options.threads = convert.engine.threads;
    options.max_samples = samples;
    options.nodes_denylist = convert.nodes_denylist;
    options.progress = progress.callback();
    options.checkpoint = resume;
    calibration = calibrate(model, *source, options);
  }
  if (calibration) {
    for (const std::string& warning : calibration->warnings()) note(output, "warning: " + warning);
    for (const std::string& finding : calibration->checkup().findings) note(output, "calibration data: " + finding);
  }
  return calibration;
}

}  // namespace tfengine::tools
