// SPDX-License-Identifier: Apache-2.0
#include "accuracy.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

namespace tfengine::tools {

namespace {

using nlohmann::json;

double parse_share(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double share = unit == "%" ? number / 100.0 : number;
  if (end != text.c_str() && (unit == "%" || unit.empty()) && share > 0.0 && share <= 1.0) return share;
  throw InvalidArgument(fmt::format("--target-accuracy: got '{}', expected 99.9% or 0.999", text));
}

// Another source's batches with the labels of their samples.
class Labelled : public BatchSource {
 public:
  static constexpr const char* kName = "labels";

  Labelled(std::unique_ptr<BatchSource> source, const std::string& path)
      : source_(std::move(source)), path_(path), labels_(read_npy(path)) {}

  bool next(Batch& batch) override {
    if (!source_->next(batch)) return false;
    const int64_t samples = batch.at(0).tensor.shape()[0];
    const Shape& shape = labels_.shape();
    if (shape.rank() == 0 || at_ + samples > shape[0]) {
      throw InvalidArgument(
          fmt::format("--labels: '{}' has {} labels, fewer than the data has samples", path_, labels_.elements()));
    }
    Shape rows = shape;
    rows[0] = samples;
    Tensor part(labels_.dtype(), rows);
    const size_t width = samples == 0 ? 0 : part.bytes() / static_cast<size_t>(samples);
    std::memcpy(part.mutable_data(), static_cast<const char*>(labels_.data()) + static_cast<size_t>(at_) * width,
                static_cast<size_t>(samples) * width);
    at_ += samples;
    batch.push_back({kName, std::move(part)});
    return true;
  }
  void rewind() override {
    source_->rewind();
    at_ = 0;
  }
  std::optional<int64_t> samples() const override { return source_->samples(); }

 private:
  std::unique_ptr<BatchSource> source_;
  std::string path_;
  Tensor labels_;
  int64_t at_ = 0;
};

std::string number(const json& row, const char* key, const char* unit, int digits) {
  if (!row.contains(key)) return "-";
  return fmt::format("{:.{}f}{}", row[key].get<double>(), digits, unit);
}

std::string clipped(const json& row) {
  if (!row.contains("clipped")) return "-";
  const double share = row["clipped"].get<double>();
  return share == 0.0 ? "0" : fmt::format("{:.4f} %", 100.0 * share);
}

}  // namespace

void AccuracyFlags::add_to(CLI::App& command, ConvertOptions& convert) {
  const std::string group = "Accuracy contract";
  command
      .add_option("--target-accuracy", target,
                  "int8: of the float model's score to keep, as 99.9%: adds measures, then returns layers to float")
      ->group(group);
  command.add_option("--accuracy-data", data, "What is scored on (default: a quarter of the calibration data)")
      ->group(group);
  command.add_option("--labels", labels, ".npy of class numbers, in the order of that data")->group(group);
  command.add_option("--metric", convert.target.metric, "With labels (or --label-feature): top1 or top5")
      ->capture_default_str()
      ->group(group);
  command.add_option("--num-accuracy-samples", samples, "Samples of that data to use")
      ->capture_default_str()
      ->group(group);
}

std::unique_ptr<BatchSource> AccuracyFlags::apply(const std::string& calibration_data, const DataOptions& read,
                                                  ConvertOptions& convert) const {
  if (target.empty()) {
    if (data.empty() && labels.empty()) return nullptr;
    throw InvalidArgument("--accuracy-data and --labels say how --target-accuracy is judged: give one");
  }
  convert.target.share = parse_share(target);
  convert.target.max_samples = samples;
  convert.target.label = read.label_feature;
  const std::string& path = data.empty() ? calibration_data : data;
  if (path.empty()) throw InvalidArgument("--target-accuracy: give --calibration-data or --accuracy-data");
  std::unique_ptr<BatchSource> source = open_data(path, read);
  if (!labels.empty()) {
    source = std::make_unique<Labelled>(std::move(source), labels);
    convert.target.label = Labelled::kName;
  }
  (data.empty() ? convert.samples : convert.target.data) = source.get();
  return source;
}

void print_ladder(const json& report) {
  if (!report.contains("accuracy")) return;
  const json& ladder = report["accuracy"];
  fmt::print("accuracy: {}\n", ladder["terms"].get<std::string>());
  for (const json& rung : ladder["rungs"]) {
    fmt::print("  {:<28} {}{}\n", rung["what"].get<std::string>(), rung["text"].get<std::string>(),
               rung["kept"].get<bool>() ? "" : ", no gain: left out");
  }
  for (const json& layer : ladder["float_layers"]) fmt::print("  float: {}\n", layer.get<std::string>());
  if (ladder.contains("holds")) fmt::print("  the target {}\n", ladder["holds"].get<bool>() ? "holds" : "is missed");
  if (ladder.contains("final_us")) {
    const double plain = ladder["plain_us"].get<double>() / 1000.0, final = ladder["final_us"].get<double>() / 1000.0;
    fmt::print("  {:.3f} ms a run instead of {:.3f} ms: it costs {:.3f} ms\n", final, plain, final - plain);
  } else {
    fmt::print("  what it costs was not timed\n");
  }
}

void print_gains(const json& report) {
  for (const json& gain : report.value("gains", json::array())) {
    fmt::print("  {:<36} {:+.2f} dB\n", gain["what"].get<std::string>(), gain["db"].get<double>());
  }
}

void print_explanation(const json& report) {
  if (!report.contains("int8")) {
    fmt::print("no INT8 in this engine\n");
    return;
  }
  std::map<std::string, json> rows;
  for (const json& row : report.value("explain", json::array())) rows[row["tensor"].get<std::string>()] = row;
  fmt::print("{:>10} {:>9} {:>9} {:>6}  tensor: what and why\n", "clipped", "alone dB", "so far dB", "dead");
  for (const json& tensor : report["int8"]["tensors"]) {
    const std::string name = tensor["name"].get<std::string>();
    const json row = rows.count(name) > 0 ? rows[name] : json::object();
    const std::string dead = row.contains("dead_channels")
                                 ? fmt::format("{}/{}", row["dead_channels"].get<int>(), row["channels"].get<int>())
                                 : "-";
    fmt::print("{:>10} {:>9} {:>9} {:>6}  {}: {}\n", clipped(row), number(row, "alone_db", "", 1),
               number(row, "so_far_db", "", 1), dead, name, tensor["text"].get<std::string>());
  }
  fmt::print("{:>10} {:>9} {:>9}  layer: INT8, or why not\n", "float us", "here us", "gain us");
  const json times = report.value("times", json::object());
  for (const json& node : report["int8"]["nodes"]) {
    const std::string name = node["name"].get<std::string>();
    std::string figures = fmt::format("{:>10} {:>9} {:>9}", "-", "-", "-");
    if (times.contains(name)) {
      const double before = times[name]["float_us"].get<double>(), after = times[name]["int8_us"].get<double>();
      figures = fmt::format("{:>10.1f} {:>9.1f} {:>9.1f}", before, after, before - after);
    }
    fmt::print("{}  {} '{}': {}\n", figures, node["op"].get<std::string>(), name,
               node["int8"].get<bool>() ? "INT8" : node["text"].get<std::string>());
  }
}

}  // namespace tfengine::tools
