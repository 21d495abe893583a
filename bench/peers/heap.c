// SPDX-License-Identifier: Apache-2.0
// Preloaded into a process, counts the bytes of all memory that it holds: glibc's heap and anonymous maps. A peak since the
// last reset is kept. Every library's allocations end here, whatever pools it keeps above.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void __libc_free(void*);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static atomic_long live, peak;

long heap_live(void) { return atomic_load(&live); }
long heap_peak(void) { return atomic_load(&peak); }
void heap_reset_peak(void) { atomic_store(&peak, atomic_load(&live)); }

static void add(long bytes) {
  long now = atomic_fetch_add(&live, bytes) + bytes;
  long before = atomic_load(&peak);
  while (now > before && !atomic_compare_exchange_weak(&peak, &before, now)) {
  }
}

static void* counted(void* block) {
  if (block != NULL) add((long)malloc_usable_size(block));
  return block;
}

void* malloc(size_t bytes) { return counted(__libc_malloc(bytes)); }
void* calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes)); }
void* memalign(size_t alignment, size_t bytes) { return counted(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** block, size_t alignment, size_t bytes) {
  void* made = memalign(alignment, bytes);
  if (made == NULL) return ENOMEM;
  *block = made;
  return 0;
}
void free(void* block) {
  if (block != NULL) add(-(long)malloc_usable_size(block));
  __libc_free(block);
}
void* realloc(void* block, size_t bytes) {
  long before = block == NULL ? 0 : (long)malloc_usable_size(block);
  void* made = __libc_realloc(block, bytes);
  if (made != NULL || bytes == 0) add(-before);
  return counted(made);
}

// Stacks of threads and the heap's own arenas come from inside of glibc and are not seen here.
void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  void* made = (void*)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
  if (made != MAP_FAILED && (flags & MAP_ANONYMOUS) != 0 && protection != PROT_NONE) add((long)bytes);
  return made;
}
