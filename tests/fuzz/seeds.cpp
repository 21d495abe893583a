// SPDX-License-Identifier: Apache-2.0
// fuzz_seeds GOLDEN FOLDER: converts the small graphs below GOLDEN to engines, in float and INT8, and writes these and
// their histograms to FOLDER/engine and FOLDER/histograms.
#include <cstdio>
#include <filesystem>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace {

namespace fs = std::filesystem;
using namespace tfengine;

constexpr uint64_t kMostConstantBytes = 2048;

// One batch for the model's inputs: numbers of both signs.
class OneBatch : public BatchSource {
 public:
  explicit OneBatch(const Model& model) {
    for (const TensorSpec& spec : model.inputs()) {
      Shape shape = spec.shape;
      for (int64_t& dim : shape.dims()) dim = dim < 0 ? 2 : dim;
      Tensor tensor(spec.dtype, shape);
      if (spec.dtype == DType::F32) {
        for (int64_t i = 0; i < tensor.elements(); ++i)
          tensor.mutable_as<float>()[i] = static_cast<float>(i % 7) - 3.0f;
      }
      batch_.push_back({spec.name, tensor});
    }
  }
  bool next(Batch& batch) override {
    batch = batch_;
    return !std::exchange(given_, true);
  }
  void rewind() override { given_ = false; }

 private:
  Batch batch_;
  bool given_ = false;
};

void write_seeds(const fs::path& graph, const std::string& name, const fs::path& folder) {
  const Model model = Model::load(graph);
  if (model.constant_bytes() > kMostConstantBytes) return;
  ConvertOptions options;
  options.engine.threads = 1;
  options.batch_size = 2;
  convert(model, options).save(folder / "engine" / (name + ".tfe"));
  OneBatch data(model);
  CalibrateOptions once;
  once.threads = 1;
  const Calibration calibration = calibrate(model, data, once);
  calibration.save(folder / "histograms" / name);
  // The target appends the checksum itself.
  fs::resize_file(folder / "histograms" / name, fs::file_size(folder / "histograms" / name) - 8);
  options.precision = "int8";
  options.calibration = &calibration;
  options.avoid_slow_int8 = false;
  convert(model, options).save(folder / "engine" / (name + ".int8.tfe"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const fs::path golden = argv[1], folder = argv[2];
  fs::create_directories(folder / "engine");
  fs::create_directories(folder / "histograms");
  int written = 0;
  for (const auto& entry : fs::recursive_directory_iterator(golden)) {
    if (entry.path().filename() != "graph.pb") continue;
    const fs::path place = entry.path().parent_path();
    const std::string name = place.parent_path().filename().string() + "_" + place.filename().string();
    try {
      write_seeds(entry.path(), name, folder);
      ++written;
    } catch (const Error&) {  // not every graph converts alone
    }
  }
  std::printf("%d graphs gave seeds\n", written);
}
