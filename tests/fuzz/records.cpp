// SPDX-License-Identifier: Apache-2.0
// TFRecords of tf.Example, read as batches in every way that options allow. Records carry checksums: the library's crc32c()
// is replaced by a constant, or no changed record would be read.
#include "base/crc32c.h"
#include "fuzz/harness.h"
#include "io/tfrecord.h"
#include "tfengine/data.h"

namespace tfengine {
uint32_t crc32c(const void*, size_t, uint32_t) { return 0; }
}  // namespace tfengine

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  const std::string_view bytes = fuzz::text_of(data, size);
  fuzz::expect_answer([&] { io::read_feature(bytes, "raw"); });
  const fuzz::MemoryFile file(bytes);
  for (const char* decode : {"raw", "floats", "ints"}) {
    DataOptions options;
    options.feature = decode;
    options.decode = decode;
    options.feature_shape = {2, 2, 1};
    options.label_feature = "label";
    fuzz::expect_answer([&] {
      const auto source = open_data(file.path(), options);
      source->samples();
      Batch batch;
      while (source->next(batch)) {
      }
    });
  }
  return 0;
}
