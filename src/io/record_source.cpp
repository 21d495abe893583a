// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "base/check.h"
#include "base/mapped_file.h"
#include "io/sample.h"
#include "io/sources.h"
#include "io/tfrecord.h"

namespace tfengine::io {

namespace {

class RecordSource : public BatchSource {
 public:
  RecordSource(Paths files, const DataOptions& options) : files_(std::move(files)), options_(options) { rewind(); }

  bool next(Batch& batch) override {
    batch.clear();
    BatchBuilder data;
    BatchBuilder labels;
    while (data.size() < options_.batch_size && (options_.limit < 0 || given_ < options_.limit)) {
      if (!read_sample(data, labels)) break;
      ++given_;
    }
    if (data.empty()) return false;
    batch.push_back({"", data.take()});
    if (!labels.empty()) batch.push_back({options_.label_feature, labels.take()});
    return true;
  }

  void rewind() override {
    given_ = 0;
    open(0);
  }

  std::optional<int64_t> samples() const override {
    int64_t count = 0;
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto file = MappedFile::open(files_[i]);
      RecordReader reader(file->text());
      located(i, [&] {
        while ((options_.limit < 0 || count < options_.limit) && reader.skip()) ++count;
      });
    }
    return count;
  }

 private:
  void open(size_t index) {
    index_ = index;
    file_ = MappedFile::open(files_[index]);
    reader_.emplace(file_->text());
  }

  template <typename F>
  void located(size_t index, F&& fn) const {
    try {
      fn();
    } catch (const InvalidModel& error) {
      fail<InvalidModel>("'{}', {}", files_[index].string(), error.what());
    }
  }

  bool read_sample(BatchBuilder& data, BatchBuilder& labels) {
    std::string_view record;
    bool found = false;
    while (true) {
      located(index_, [&] { found = reader_->next(record); });
      if (found) break;
      if (index_ + 1 == files_.size()) return false;
      open(index_ + 1);
    }
    const std::string where = fmt::format("record {}", reader_->index());
    try {
      data.add(feature_sample(read_feature(record, options_.feature), options_), "the sample");
      if (!options_.label_feature.empty()) {
        labels.add(label_of(read_feature(record, options_.label_feature), options_.label_feature), "the label");
      }
    } catch (const InvalidModel& error) {
      fail<InvalidModel>("'{}', {}: {}", files_[index_].string(), where, error.what());
    }
    return true;
  }

  Paths files_;
  DataOptions options_;
  size_t index_ = 0;
  std::shared_ptr<const MappedFile> file_;
  std::optional<RecordReader> reader_;
  int64_t given_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> record_source(Paths files, const DataOptions& options) {
  return std::make_unique<RecordSource>(std::move(files), options);
}

}  // namespace tfengine::io
