// Memory and text that need no system. Short copies stay in the emulator, which
// is quicker than leaving it; long ones leave.
#include <stdlib.h>
#include <string.h>

#include "host.h"

void* host_memcpy(void* to, const void* from, size_t n);
void* host_memset(void* to, int byte, size_t n);
#define SHORT 512

uintptr_t __stack_chk_guard = 0x595e9fbd94fda766;
_Noreturn void __stack_chk_fail(void) { host_refuse("a stack frame was overwritten"); }

void* memmove(void* to, const void* from, size_t n) {
  unsigned char* d = to;
  const unsigned char* s = from;
  if (n > SHORT) return host_memcpy(to, from, n);
  if (d <= s || d >= s + n) {
    for (; n >= 8; n -= 8, d += 8, s += 8) {
      uint64_t word;
      __builtin_memcpy(&word, s, 8);
      __builtin_memcpy(d, &word, 8);
    }
    while (n--) *d++ = *s++;
  } else {
    while (n--) d[n] = s[n];
  }
  return to;
}
void* memcpy(void* to, const void* from, size_t n) { return memmove(to, from, n); }
void* memset(void* to, int byte, size_t n) {
  unsigned char* d = to;
  if (n > SHORT) return host_memset(to, byte, n);
  while (n--) *d++ = (unsigned char)byte;
  return to;
}
void bzero(void* to, size_t n) { memset(to, 0, n); }
void* __memcpy_chk(void* to, const void* from, size_t n, size_t room) {
  if (n > room) host_refuse("memcpy beyond its destination");
  return memmove(to, from, n);
}
void* __memmove_chk(void* to, const void* from, size_t n, size_t room) {
  return __memcpy_chk(to, from, n, room);
}
void* __memset_chk(void* to, int byte, size_t n, size_t room) {
  if (n > room) host_refuse("memset beyond its destination");
  return memset(to, byte, n);
}
int memcmp(const void* a, const void* b, size_t n) {
  const unsigned char *x = a, *y = b;
  for (; n--; ++x, ++y)
    if (*x != *y) return *x - *y;
  return 0;
}
size_t strlen(const char* s) {
  const char* end = s;
  while (*end) ++end;
  return (size_t)(end - s);
}
int strcmp(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return (unsigned char)*a - (unsigned char)*b;
}
int strncmp(const char* a, const char* b, size_t n) {
  for (; n; --n, ++a, ++b)
    if (!*a || *a != *b) return (unsigned char)*a - (unsigned char)*b;
  return 0;
}

void* bsearch(const void* key, const void* base, size_t count, size_t size,
              int (*compare)(const void*, const void*)) {
  const char* low = base;
  while (count) {
    const char* middle = low + count / 2 * size;
    int order = compare(key, middle);
    if (order == 0) return (void*)middle;
    if (order > 0) {
      low = middle + size;
      --count;
    }
    count /= 2;
  }
  return NULL;
}
static void swap(char* a, char* b, size_t size) {
  for (; size--; ++a, ++b) {
    char kept = *a;
    *a = *b;
    *b = kept;
  }
}
// Heap sort: no memory, and never quadratic.
static void sink(char* base, size_t at, size_t count, size_t size,
                 int (*compare)(const void*, const void*)) {
  for (size_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && compare(base + child * size, base + (child + 1) * size) < 0) ++child;
    if (compare(base + at * size, base + child * size) >= 0) return;
    swap(base + at * size, base + child * size, size);
  }
}
void qsort(void* base, size_t count, size_t size, int (*compare)(const void*, const void*)) {
  for (size_t at = count / 2; at-- > 0;) sink(base, at, count, size, compare);
  for (size_t end = count; end-- > 1;) {
    swap(base, (char*)base + end * size, size);
    sink(base, 0, end, size, compare);
  }
}
void memset_pattern16(void* to, const void* pattern, size_t n) {
  for (char* d = to; n; ) {
    size_t part = n < 16 ? n : 16;
    memcpy(d, pattern, part);
    d += part;
    n -= part;
  }
}
