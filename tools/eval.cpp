// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/convert.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string engine, data, labels, reference;
  LoadOptions load;
  DataFlags data_flags;
  EngineOptions engine_options;
  int64_t limit = -1;
};

Engine open(const std::string& path, const Options& options) {
  if (is_engine_file(path) || path.ends_with(".tfe")) return Engine::load(path, options.engine_options);
  ConvertOptions convert_options;
  convert_options.engine = options.engine_options;
  return convert(Model::load(path, options.load), convert_options);
}

std::vector<int64_t> integers(const Tensor& tensor) {
  std::vector<int64_t> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype()) {
      case DType::S64:
        values[i] = tensor.as<int64_t>()[i];
        break;
      case DType::S32:
        values[i] = tensor.as<int32_t>()[i];
        break;
      case DType::U8:
        values[i] = tensor.as<uint8_t>()[i];
        break;
      case DType::S8:
        values[i] = tensor.as<int8_t>()[i];
        break;
      case DType::F32:
        values[i] = static_cast<int64_t>(tensor.as<float>()[i]);
        break;
      default:
        throw InvalidArgument(fmt::format("labels of dtype {}, expected integers", dtype_name(tensor.dtype())));
    }
  }
  return values;
}

struct Score {
  int64_t samples = 0, labelled = 0, top1 = 0, top5 = 0, agree = 0;
  double signal = 0.0, noise = 0.0;

  void add_labels(const Tensor& scores, const std::vector<int64_t>& labels) {
    const int64_t classes = scores.shape().back();
    for (size_t n = 0; n < labels.size(); ++n) {
      const float* row = scores.as<float>() + static_cast<int64_t>(n) * classes;
      if (labels[n] < 0 || labels[n] >= classes) {
        throw InvalidArgument(fmt::format("label {} is out of range for {} classes", labels[n], classes));
      }
      const auto rank = std::count_if(row, row + classes, [&](float score) { return score > row[labels[n]]; });
      ++labelled;
      top1 += rank < 1;
      top5 += rank < 5;
    }
  }
  void add_reference(const Tensor& got, const Tensor& wanted) {
    const int64_t classes = got.shape().back();
    for (int64_t i = 0; i < got.elements(); ++i) {
      const double w = wanted.as<float>()[i], e = w - got.as<float>()[i];
      signal += w * w;
      noise += e * e;
    }
    for (int64_t n = 0; n < got.elements() / classes; ++n) {
      const float *a = got.as<float>() + n * classes, *b = wanted.as<float>() + n * classes;
      agree += std::max_element(a, a + classes) - a == std::max_element(b, b + classes) - b;
    }
  }
};

void print(const Score& score, bool has_reference, bool json) {
  nlohmann::json document = {{"samples", score.samples}};
  if (score.labelled > 0) {
    document["top1"] = static_cast<double>(score.top1) / static_cast<double>(score.labelled);
    document["top5"] = static_cast<double>(score.top5) / static_cast<double>(score.labelled);
  }
  if (has_reference) {
    document["agreement"] = static_cast<double>(score.agree) / static_cast<double>(score.samples);
    document["signal_to_noise_db"] = 10.0 * std::log10(score.signal / std::max(score.noise, 1e-300));
  }
  if (json) {
    fmt::print("{}\n", document.dump(1));
    return;
  }
  fmt::print("{} samples\n", score.samples);
  if (score.labelled > 0) {
    fmt::print("top-1 {:.2f} %, top-5 {:.2f} %\n", 100.0 * document["top1"].get<double>(),
               100.0 * document["top5"].get<double>());
  }
  if (has_reference) {
    fmt::print("same top-1 as the reference: {:.2f} %, signal to noise {:.1f} dB\n",
               100.0 * document["agreement"].get<double>(), document["signal_to_noise_db"].get<double>());
  }
}

void run(const Options& options, const Output& output) {
  const Engine engine = open(options.engine, options);
  for (const std::string& notice : engine.notices()) note(output, notice);
  std::unique_ptr<Engine> reference;
  if (!options.reference.empty()) reference = std::make_unique<Engine>(open(options.reference, options));
  DataOptions data_options = options.data_flags.parse();
  data_options.limit = options.limit;
  const auto source = open_data(options.data, data_options);
  std::vector<int64_t> labels;
  if (!options.labels.empty()) labels = integers(read_npy(options.labels));
  ProgressLine progress(output);
  Score score;
  Batch batch;
  while (source->next(batch)) {
    std::vector<NamedTensor> inputs;
    std::vector<int64_t> batch_labels;
    for (const NamedTensor& tensor : batch) {
      if (!data_options.label_feature.empty() && tensor.name == data_options.label_feature) {
        batch_labels = integers(tensor.tensor);
      } else {
        inputs.push_back(tensor);
      }
    }
    // Data files name their arrays as they like.
    if (inputs.size() == 1) inputs[0].name.clear();
    const int64_t samples = inputs.at(0).tensor.shape()[0];
    if (!labels.empty()) {
      if (score.samples + samples > static_cast<int64_t>(labels.size())) {
        throw InvalidArgument(
            fmt::format("'{}' has {} labels, fewer than the data has samples", options.labels, labels.size()));
      }
      batch_labels.assign(labels.begin() + score.samples, labels.begin() + score.samples + samples);
    }
    const std::vector<NamedTensor> results = engine.run(inputs);
    if (!batch_labels.empty()) score.add_labels(results[0].tensor, batch_labels);
    if (reference) score.add_reference(results[0].tensor, reference->run(inputs)[0].tensor);
    score.samples += samples;
    progress.show("evaluating", score.samples, source->samples().value_or(-1));
  }
  if (score.samples == 0) throw InvalidArgument(fmt::format("eval: '{}' holds no sample", options.data));
  if (score.labelled == 0 && !reference)
    throw InvalidArgument("eval: give labels (--labels or --label-feature) or a --reference");
  print(score, reference != nullptr, output.json);
}

}  // namespace

void add_eval(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("eval", "Accuracy of an engine on labelled data, or agreement with another engine or model");
  command->add_option("engine", options->engine, "Engine file (.tfe), or a model to run in fp32")->required();
  command->add_option("--data", options->data, ".npy, .npz, a folder of them, TFRecords, or a folder of images")
      ->required();
  command->add_option("--labels", options->labels, ".npy of class numbers, in the order of the data");
  command->add_option("--reference", options->reference, "Engine or model to compare the first output with");
  command->add_option("--limit", options->limit, "Samples to use (-1: all)")->capture_default_str();
  add_engine_options(*command, options->engine_options);
  add_model_options(*command, options->load);
  options->data_flags.add_to(*command);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
