/* Loads libtvm_ffi and other libraries and prints the names that their registry lists. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
  int32_t type;
  uint32_t length; /* of a short text */
  union {
    int64_t number;
    void *object;
    char text[8];
  };
} Any;
typedef struct {
  const char *data;
  size_t size;
} Bytes;

enum { INT = 1, SHORT_TEXT = 11, TEXT = 65, HEADER = 24 };

int main(int count, char **files) {
  void *ffi = dlopen(files[1], RTLD_NOW | RTLD_GLOBAL);
  for (int i = 2; ffi && i < count; ++i)
    if (!dlopen(files[i], RTLD_NOW | RTLD_GLOBAL)) ffi = 0;
  if (!ffi) return fprintf(stderr, "%s\n", dlerror()), 1;
  int (*global)(const Bytes *, void **) = dlsym(ffi, "TVMFFIFunctionGetGlobal");
  int (*call)(void *, Any *, int, Any *) = dlsym(ffi, "TVMFFIFunctionCall");
  Bytes name = {"ffi.FunctionListGlobalNamesFunctor", 34};
  void *function = 0;
  Any list = {0}, size = {0}, argument = {INT, 0, {-1}};
  if (global(&name, &function) || !function || call(function, 0, 0, &list)) return 2;
  if (call(list.object, &argument, 1, &size) || size.type != INT) return 3;
  for (argument.number = 0; argument.number < size.number; ++argument.number) {
    Any text = {0};
    if (call(list.object, &argument, 1, &text)) return 4;
    Bytes *bytes = (Bytes *)((char *)text.object + HEADER);
    if (text.type == SHORT_TEXT) printf("%.*s\n", (int)text.length, text.text);
    else if (text.type == TEXT) printf("%.*s\n", (int)bytes->size, bytes->data);
    else return 5;
  }
  return 0;
}
