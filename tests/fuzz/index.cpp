// SPDX-License-Identifier: Apache-2.0
// variables.index beside a good graph and good values. Blocks carry checksums: the library's crc32c() is replaced by a
// constant, or no changed block would be read.
#include "base/crc32c.h"
#include "fuzz/harness.h"
#include "tfengine/model.h"
#include "tfgraph/table.h"

namespace tfengine {
uint32_t crc32c(const void*, size_t, uint32_t) { return 0; }
}  // namespace tfengine

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  static const fuzz::FolderWithInput folder(TFE_SOURCE_DIR "/tests/tfgraph/data/tf1", "variables/variables.index");
  fuzz::expect_answer([&] { tfgraph::read_table(fuzz::text_of(data, size)); });
  const auto& path = folder.with(fuzz::text_of(data, size));
  fuzz::expect_answer([&] { Model::load(path); });
  return 0;
}
