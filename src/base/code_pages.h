// SPDX-License-Identifier: Apache-2.0
// The code of shared libraries, as memory of the process: pages of a file that come when they are touched, 64 KiB at a time,
// and that count with the process for as long as it lives.
#pragma once

namespace tfengine {

// The code and the constants of the library that has this function leave the process's memory. What still runs there finds its
// pages again in the system's cache of files. Breakpoints that a debugger has set in the library are lost.
void drop_code_pages(const void* function) noexcept;

}  // namespace tfengine
