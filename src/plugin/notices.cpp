// SPDX-License-Identifier: Apache-2.0
#include "plugin/notices.h"

#include <mutex>
#include <set>

#include "tensorflow/core/platform/logging.h"

namespace tfengine::plugin {

void notice_once(const std::string& topic, const std::string& text) {
  static auto* mutex = new std::mutex;
  static auto* told = new std::set<std::string>;
  const std::lock_guard lock(*mutex);
  if (told->insert(topic).second) LOG(WARNING) << "tfengine: " << text;
}

}  // namespace tfengine::plugin
