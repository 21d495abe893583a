// SPDX-License-Identifier: Apache-2.0
// Throwing with a formatted message. `fail<E>` is for faults of the user's input or the environment; `check` is for
// what only a defect of ours can break, and appends the place.
#pragma once

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include "tfengine/error.h"

namespace tfengine {

template <typename E, typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

namespace detail {
template <typename... Args>
struct CheckMessage {
  template <typename Text>
  consteval CheckMessage(const Text& text, std::source_location where = std::source_location::current())
      : format(text), location(where) {}
  fmt::format_string<Args...> format;
  std::source_location location;
};
[[noreturn]] void throw_internal(const std::string& message, std::source_location where);
}  // namespace detail

template <typename... Args>
void check(bool condition, detail::CheckMessage<std::type_identity_t<Args>...> message, Args&&... args) {
  if (!condition) [[unlikely]] {
    detail::throw_internal(fmt::format(message.format, std::forward<Args>(args)...), message.location);
  }
}

}  // namespace tfengine
