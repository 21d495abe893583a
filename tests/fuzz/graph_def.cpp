// SPDX-License-Identifier: Apache-2.0
// A frozen GraphDef: imported, its types inferred, all passes run.
#include "fuzz/harness.h"
#include "tfengine/model.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  const fuzz::MemoryFile file(fuzz::text_of(data, size));
  fuzz::expect_answer([&] { Model::load(file.path()).dump("optimize"); });
  return 0;
}
