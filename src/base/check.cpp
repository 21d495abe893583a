// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

namespace tfengine::detail {

void throw_internal(const std::string& message, std::source_location where) {
  throw InternalError(fmt::format("{} (defect in tfengine, {}:{})", message, where.file_name(), where.line()));
}

}  // namespace tfengine::detail
