// Memory that is handed out is zero, for a process of the harness: what it held before is
// an answer of chance. Large pieces come from the system, which gives zeros.
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_calloc(size_t, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

enum { LARGE = 1 << 20 };  // as GLIBC_TUNABLES says in drivers.py

void *malloc(size_t size) { return __libc_calloc(1, size); }

void *memalign(size_t alignment, size_t size) {
  void *made = __libc_memalign(alignment, size);
  if (made && size < LARGE) memset(made, 0, size);
  return made;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **made, size_t alignment, size_t size) {
  *made = memalign(alignment, size);
  return *made ? 0 : ENOMEM;
}

void *realloc(void *old, size_t size) {
  size_t had = old ? malloc_usable_size(old) : 0;
  char *made = __libc_realloc(old, size);
  if (made && size > had && size < LARGE) memset(made + had, 0, size - had);
  return made;
}
