// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/mapped_file.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/sample.h"
#include "io/sources.h"

namespace tfengine::io {

namespace {

int64_t rows_of(const Batch& arrays) { return arrays.front().tensor.shape()[0]; }

// Rows [begin, begin + count) without a copy.
Tensor rows(const Tensor& tensor, int64_t begin, int64_t count) {
  std::vector<int64_t> dims = tensor.shape().dims();
  const size_t row_bytes = dims[0] == 0 ? 0 : tensor.bytes() / static_cast<size_t>(dims[0]);
  dims[0] = count;
  auto owner = std::make_shared<Tensor>(tensor);
  return Tensor(tensor.dtype(), Shape(std::move(dims)),
                static_cast<const std::byte*>(tensor.data()) + static_cast<size_t>(begin) * row_bytes,
                std::move(owner));
}

Tensor concatenated(const Tensor& a, const Tensor& b) {
  std::vector<int64_t> dims = a.shape().dims();
  dims[0] += b.shape()[0];
  Tensor both(a.dtype(), Shape(std::move(dims)));
  auto* dst = static_cast<std::byte*>(both.mutable_data());
  if (a.bytes() > 0) std::memcpy(dst, a.data(), a.bytes());
  if (b.bytes() > 0) std::memcpy(dst + a.bytes(), b.data(), b.bytes());
  return both;
}

class ArraySource : public BatchSource {
 public:
  ArraySource(Paths files, const DataOptions& options) : files_(std::move(files)), options_(options) { open(0); }

  bool next(Batch& batch) override {
    batch.clear();
    int64_t wanted = options_.batch_size;
    if (options_.limit >= 0) wanted = std::min(wanted, options_.limit - given_);
    while (wanted > 0 && (row_ < rows_of(arrays_) || advance())) {
      const int64_t count = std::min(wanted, rows_of(arrays_) - row_);
      append(batch, count);
      row_ += count;
      given_ += count;
      wanted -= count;
    }
    if (batch.empty()) return false;
    if (!is_identity(options_)) {
      for (NamedTensor& array : batch) {
        if (options_.label_feature.empty() || array.name != options_.label_feature)
          array.tensor = normalize(array.tensor, options_);
      }
    }
    return true;
  }

  void rewind() override {
    given_ = 0;
    if (file_ != 0) open(0);
    row_ = 0;
  }

  std::optional<int64_t> samples() const override {
    if (files_.size() > 1) return std::nullopt;
    return options_.limit >= 0 ? std::min(options_.limit, rows_of(arrays_)) : rows_of(arrays_);
  }

 private:
  void open(size_t index) {
    const auto file = MappedFile::open(files_[index]);
    try {
      Batch arrays;
      if (file->text().substr(0, 2) == "PK")
        arrays = parse_npz(file->text(), file);
      else
        arrays.push_back({"", parse_npy(file->text(), file)});
      check_arrays(arrays);
      arrays_ = std::move(arrays);
    } catch (const InvalidModel& error) {
      fail<InvalidModel>("'{}': {}", files_[index].string(), error.what());
    }
    file_ = index;
    row_ = 0;
  }

  void check_arrays(Batch& arrays) const {
    int inputs = 0;
    for (const NamedTensor& array : arrays) {
      if (array.tensor.shape().rank() == 0)
        fail<InvalidModel>("array '{}' is a scalar; its first dimension should count samples", array.name);
      if (array.tensor.shape()[0] != rows_of(arrays)) {
        fail<InvalidModel>("array '{}' has {} samples, expected {} as array '{}'", array.name, array.tensor.shape()[0],
                           rows_of(arrays), arrays.front().name);
      }
      if (array.name != options_.label_feature) ++inputs;
    }
    // A single array is the model's input whatever it was called when it was saved.
    for (NamedTensor& array : arrays) {
      if (inputs == 1 && (options_.label_feature.empty() || array.name != options_.label_feature)) array.name.clear();
    }
  }

  bool advance() {
    while (file_ + 1 < files_.size()) {
      open(file_ + 1);
      if (rows_of(arrays_) > 0) return true;
    }
    return false;
  }

  void append(Batch& batch, int64_t count) {
    if (batch.empty()) {
      for (const NamedTensor& array : arrays_) batch.push_back({array.name, rows(array.tensor, row_, count)});
      return;
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      const bool same = batch.size() == arrays_.size() && batch[i].name == arrays_[i].name &&
                        same_kind(batch[i].tensor, arrays_[i].tensor);
      if (!same) {
        fail<InvalidModel>(
            "'{}': the arrays differ from those of the files before it; give arrays of several inputs as one .npz",
            files_[file_].string());
      }
      batch[i].tensor = concatenated(batch[i].tensor, rows(arrays_[i].tensor, row_, count));
    }
  }

  static bool same_kind(const Tensor& a, const Tensor& b) {
    return a.dtype() == b.dtype() && a.shape().rank() == b.shape().rank() &&
           std::equal(a.shape().begin() + 1, a.shape().end(), b.shape().begin() + 1);
  }

  Paths files_;
  DataOptions options_;
  Batch arrays_;  // of the current file
  size_t file_ = 0;
  int64_t row_ = 0;
  int64_t given_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> array_source(Paths files, const DataOptions& options) {
  return std::make_unique<ArraySource>(std::move(files), options);
}

}  // namespace tfengine::io
