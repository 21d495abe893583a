// SPDX-License-Identifier: Apache-2.0
// Which kind of data a path is: by a file's first bytes, and by the names in a folder.
#include <algorithm>
#include <map>
#include <string>

#include "base/check.h"
#include "base/mapped_file.h"
#include "io/image.h"
#include "io/sample.h"
#include "io/sources.h"
#include "io/tfrecord.h"

namespace tfengine {

namespace {

namespace fs = std::filesystem;
using io::Paths;

enum class Kind : uint8_t { Array, Record, Image, Other };

Kind kind_of(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (extension == ".npy" || extension == ".npz") return Kind::Array;
  if (extension == ".jpg" || extension == ".jpeg" || extension == ".png") return Kind::Image;
  // "train.tfrecord", "train.tfrecord-00000-of-00010"
  if (path.filename().string().find(".tfrecord") != std::string::npos) return Kind::Record;
  return Kind::Other;
}

std::unique_ptr<BatchSource> open_file(const fs::path& path, const DataOptions& options) {
  const auto file = MappedFile::open(path);
  const std::string_view text = file->text();
  if (text.substr(0, 6) == "\x93NUMPY" || text.substr(0, 2) == "PK") return io::array_source({path}, options);
  if (io::is_jpeg(text) || io::is_png(text)) return io::image_source({path}, {}, options);
  if (io::is_tfrecord(text)) return io::record_source({path}, options);
  const bool gzip = text.substr(0, 2) == "\x1f\x8b";
  // Damaged at the very beginning: its own reader says how.
  if (kind_of(path) == Kind::Array) return io::array_source({path}, options);
  if (kind_of(path) == Kind::Record && !gzip) return io::record_source({path}, options);
  fail<InvalidModel>("'{}': this is {}; expected .npy, .npz, TFRecord, JPEG or PNG", path.string(),
                     gzip ? "gzip-compressed (unpack it first)" : "no known kind of data");
}

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  const fs::directory_iterator listing(folder, error);
  if (error) fail<InvalidArgument>("'{}': cannot list the folder: {}", folder.string(), error.message());
  for (const fs::directory_entry& entry : listing) {
    if (entry.path().filename().string()[0] != '.') entries.push_back(entry.path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// Pictures in folders, one for each class: the label is the folder's place among them by name.
std::unique_ptr<BatchSource> open_classes(const std::vector<fs::path>& folders, const DataOptions& options) {
  Paths files;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < folders.size(); ++i) {
    for (const fs::path& file : entries_of(folders[i])) {
      if (kind_of(file) != Kind::Image) continue;
      files.push_back(file);
      labels.push_back(static_cast<int64_t>(i));
    }
  }
  if (options.label_feature.empty()) labels.clear();
  if (files.empty()) return nullptr;
  return io::image_source(std::move(files), std::move(labels), options);
}

std::unique_ptr<BatchSource> open_folder(const fs::path& folder, const DataOptions& options) {
  std::map<Kind, Paths> found;
  std::vector<fs::path> subfolders;
  std::error_code ignored;
  for (const fs::path& entry : entries_of(folder)) {
    if (fs::is_directory(entry, ignored))
      subfolders.push_back(entry);
    else
      found[kind_of(entry)].push_back(entry);
  }
  found.erase(Kind::Other);
  if (found.size() > 1)
    fail<InvalidArgument>("'{}': the folder has arrays, records and images mixed; expected one kind", folder.string());
  std::unique_ptr<BatchSource> source;
  if (found.empty())
    source = open_classes(subfolders, options);
  else if (found.count(Kind::Array) > 0)
    source = io::array_source(found[Kind::Array], options);
  else if (found.count(Kind::Record) > 0)
    source = io::record_source(found[Kind::Record], options);
  else
    source = io::image_source(found[Kind::Image], {}, options);
  if (source == nullptr)
    fail<InvalidArgument>("'{}': the folder has no .npy, .npz, .tfrecord, JPEG or PNG files", folder.string());
  return source;
}

}  // namespace

std::unique_ptr<BatchSource> open_data(const std::filesystem::path& path, const DataOptions& options) {
  io::check_options(options);
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? open_folder(path, options) : open_file(path, options);
}

}  // namespace tfengine
