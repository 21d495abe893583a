// SPDX-License-Identifier: Apache-2.0
// Range tables as text: TensorRT's calibration cache and our JSON.
#include "fuzz/harness.h"
#include "quantize/calibration_cache.h"
#include "quantize/range_table.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::expect_answer([&] {
    const quantize::CalibrationCache cache = quantize::parse_calibration_cache(text, "'input'");
    quantize::parse_calibration_cache(quantize::format_calibration_cache(cache.table, "entropy"), "'again'");
  });
  fuzz::expect_answer([&] {
    quantize::range_table_from_json(quantize::to_json(quantize::range_table_from_json(text, "'input'")), "'again'");
  });
  return 0;
}
