// SPDX-License-Identifier: Apache-2.0
#include "base/code_pages.h"

#include <link.h>
#include <sys/mman.h>

#include <cstdint>
#include <span>

namespace tfengine {

namespace {

constexpr uintptr_t kPage = 4096;

std::span<const ElfW(Phdr)> segments_of(const dl_phdr_info& library) { return {library.dlpi_phdr, library.dlpi_phnum}; }

bool has(const dl_phdr_info& library, uintptr_t address) {
  for (const ElfW(Phdr) & segment : segments_of(library)) {
    const uintptr_t begin = library.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= begin && address - begin < segment.p_memsz) return true;
  }
  return false;
}

// Code that the loader has written into is not the file's any more.
bool is_relocated(const dl_phdr_info& library) {
  for (const ElfW(Phdr) & segment : segments_of(library)) {
    if (segment.p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(library.dlpi_addr + segment.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
        return true;
    }
  }
  return false;
}

int drop(dl_phdr_info* library, size_t /*size*/, void* function) {
  if (!has(*library, reinterpret_cast<uintptr_t>(function))) return 0;
  if (is_relocated(*library)) return 1;
  for (const ElfW(Phdr) & segment : segments_of(*library)) {
    // What the loader protects once it is relocated lies in a segment that is writable here.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (library->dlpi_addr + segment.p_vaddr) / kPage * kPage;
    const uintptr_t end = (library->dlpi_addr + segment.p_vaddr + segment.p_memsz + kPage - 1) / kPage * kPage;
    static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
  }
  return 1;
}

}  // namespace

void drop_code_pages(const void* function) noexcept { dl_iterate_phdr(drop, const_cast<void*>(function)); }

}  // namespace tfengine
