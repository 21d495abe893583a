// SPDX-License-Identifier: Apache-2.0
// The three kinds of data that tfengine::open_data tells apart.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "tfengine/data.h"

namespace tfengine::io {

using Paths = std::vector<std::filesystem::path>;

// .npy and .npz files, one after the other; batches go across their borders.
std::unique_ptr<BatchSource> array_source(Paths files, const DataOptions& options);
std::unique_ptr<BatchSource> record_source(Paths files, const DataOptions& options);
// `labels`: one per file, or empty.
std::unique_ptr<BatchSource> image_source(Paths files, std::vector<int64_t> labels, const DataOptions& options);

}  // namespace tfengine::io
