// SPDX-License-Identifier: Apache-2.0
// Range tables: TensorRT's calibration cache, ONNX Runtime's forms and our JSON.
#include "fuzz/harness.h"
#include "quantize/calibration_cache.h"
#include "quantize/range_table.h"
#include "quantize/tables/table_file.h"

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
  fuzz::expect_answer([&] {
    const quantize::TableFile file = quantize::parse_table(text, "'input'");
    for (const std::string_view name : quantize::table_format_names()) {
      const quantize::TableFormat format = quantize::table_format_from_name(name);
      quantize::parse_table(quantize::format_table(file.table, format, "entropy"), "'again'");
    }
  });
  return 0;
}
