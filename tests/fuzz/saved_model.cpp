// SPDX-License-Identifier: Apache-2.0
// saved_model.pb beside good variables.
#include "fuzz/harness.h"
#include "tfengine/model.h"
#include "tfgraph/read.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  static const fuzz::FolderWithInput folder(TFE_SOURCE_DIR "/tests/tfgraph/data/tf1", "saved_model.pb");
  const auto& path = folder.with(fuzz::text_of(data, size));
  fuzz::expect_answer([&] { tfgraph::summarize_model(path); });
  fuzz::expect_answer([&] { Model::load(path).dump("optimize"); });
  return 0;
}
