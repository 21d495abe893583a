// SPDX-License-Identifier: Apache-2.0
// From a SavedModel to an INT8 engine that classifies handwritten digits. Run it from the repository's root.
#include <algorithm>
#include <cstdio>

#include "tfengine/convert.h"
#include "tfengine/error.h"

int main() try {
  const tfengine::Model model = tfengine::Model::load("examples/digits/separable_saved_model");

  // Each record has 8 x 8 bytes of 0 to 16; the model was trained on 0 to 1.
  tfengine::DataOptions options;
  options.batch_size = 16;
  options.feature = "image_raw";
  options.feature_shape = {8, 8, 1};
  options.scale = {1 / 16.0f, 1 / 16.0f, 1 / 16.0f};
  const auto images = tfengine::open_data("examples/digits/data/calibration.tfrecord", options);
  const tfengine::Calibration calibration = tfengine::calibrate(model, *images);

  tfengine::ConvertOptions convert_options;
  convert_options.precision = "int8";
  convert_options.calibration = &calibration;
  convert_options.batch_size = options.batch_size;
  const tfengine::Engine engine = tfengine::convert(model, convert_options);

  images->rewind();
  tfengine::Batch batch;
  if (!images->next(batch)) return 1;
  const tfengine::Tensor scores = engine.run({{"", batch[0].tensor}})[0].tensor;
  for (int64_t n = 0; n < scores.shape()[0]; ++n) {
    const float* row = scores.as<float>() + n * scores.shape()[1];
    const float* best = std::max_element(row, row + scores.shape()[1]);
    std::printf("image %2d is a %d (%.1f %%)\n", static_cast<int>(n), static_cast<int>(best - row), 100 * *best);
  }
} catch (const tfengine::Error& error) {
  std::fprintf(stderr, "classify: %s\n", error.what());
  return 1;
}
