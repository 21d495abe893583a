// SPDX-License-Identifier: Apache-2.0
// What users have to be told once, however many operations it concerns.
#pragma once

#include <string>

namespace tfengine::plugin {

// Logs the text as a warning the first time in this process that something is said on `topic`.
void notice_once(const std::string& topic, const std::string& text);

}  // namespace tfengine::plugin
