// Formatted output: Apple passes variable arguments in memory, eight bytes each,
// so a `va_list` is a pointer to them. Streams are the host's.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

FILE *__stdinp, *__stdoutp, *__stderrp;

__attribute__((constructor(101))) static void open_streams(void) {
  __stdinp = host_stream(0);
  __stdoutp = host_stream(1);
  __stderrp = host_stream(2);
}

int vsnprintf(char* to, size_t n, const char* format, va_list arguments) {
  return host_vsnprintf(to, n, format, arguments);
}
int __vsnprintf_chk(char* to, size_t n, int flag, size_t room, const char* format, va_list a) {
  return host_vsnprintf(to, n, format, a);
}
int vsprintf(char* to, const char* format, va_list a) {
  return host_vsnprintf(to, INT32_MAX, format, a);
}
int vasprintf(char** to, const char* format, va_list arguments) {
  int length = host_vsnprintf(NULL, 0, format, arguments);
  *to = length < 0 ? NULL : malloc((size_t)length + 1);
  return *to ? host_vsnprintf(*to, (size_t)length + 1, format, arguments) : -1;
}
int vfprintf(FILE* file, const char* format, va_list arguments) {
  char* text;
  int length = vasprintf(&text, format, arguments);
  if (length < 0) return -1;
  size_t written = fwrite(text, 1, (size_t)length, file);
  free(text);
  return written == (size_t)length ? length : -1;
}

#define VARIADIC(call)               \
  va_list arguments;                 \
  va_start(arguments, format);       \
  int length = call;                 \
  va_end(arguments);                 \
  return length;
int snprintf(char* to, size_t n, const char* format, ...) {
  VARIADIC(host_vsnprintf(to, n, format, arguments))
}
int __snprintf_chk(char* to, size_t n, int flag, size_t room, const char* format, ...) {
  VARIADIC(host_vsnprintf(to, n, format, arguments))
}
int sprintf(char* to, const char* format, ...) { VARIADIC(vsprintf(to, format, arguments)) }
int __sprintf_chk(char* to, int flag, size_t room, const char* format, ...) {
  VARIADIC(host_vsnprintf(to, room, format, arguments))
}
int asprintf(char** to, const char* format, ...) { VARIADIC(vasprintf(to, format, arguments)) }
int fprintf(FILE* file, const char* format, ...) { VARIADIC(vfprintf(file, format, arguments)) }
int printf(const char* format, ...) { VARIADIC(vfprintf(__stdoutp, format, arguments)) }
