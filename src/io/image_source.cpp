// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/check.h"
#include "base/mapped_file.h"
#include "io/sample.h"
#include "io/sources.h"

namespace tfengine::io {

namespace {

class ImageSource : public BatchSource {
 public:
  ImageSource(Paths files, std::vector<int64_t> labels, const DataOptions& options)
      : files_(std::move(files)), labels_(std::move(labels)), options_(options) {}

  bool next(Batch& batch) override {
    batch.clear();
    BatchBuilder images;
    std::vector<int64_t> labels;
    for (; at_ < count() && images.size() < options_.batch_size; ++at_) {
      const std::filesystem::path& path = files_[at_];
      const auto file = MappedFile::open(path);
      try {
        images.add(image_sample(file->text(), options_), "the image");
      } catch (const InvalidModel& error) {
        fail<InvalidModel>("'{}': {}", path.string(), error.what());
      }
      if (!labels_.empty()) labels.push_back(labels_[at_]);
    }
    if (images.empty()) return false;
    batch.push_back({"", images.take()});
    if (!labels.empty()) {
      batch.push_back({options_.label_feature, Tensor::of(DType::S64, {static_cast<int64_t>(labels.size())}, labels)});
    }
    return true;
  }

  void rewind() override { at_ = 0; }

  std::optional<int64_t> samples() const override { return static_cast<int64_t>(count()); }

 private:
  size_t count() const {
    return options_.limit < 0 ? files_.size() : std::min(files_.size(), static_cast<size_t>(options_.limit));
  }

  Paths files_;
  std::vector<int64_t> labels_;
  DataOptions options_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> image_source(Paths files, std::vector<int64_t> labels, const DataOptions& options) {
  return std::make_unique<ImageSource>(std::move(files), std::move(labels), options);
}

}  // namespace tfengine::io
