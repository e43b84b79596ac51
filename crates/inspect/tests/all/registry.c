/* Loads libtvm_ffi and other libraries and prints the names that their registry lists,
   or what the loader says. */
#include <stdint.h>
#include <stdio.h>
#ifdef _WIN32
#include <windows.h>
static void *open_library(const char *file) {
  char whole[4096];
  if (!GetFullPathNameA(file, sizeof whole, whole, 0)) return 0;
  return LoadLibraryExA(whole, 0, LOAD_WITH_ALTERED_SEARCH_PATH);
}
static void *find(void *library, const char *name) {
  return (void *)GetProcAddress(library, name);
}
static int refused(const char *file) {
  unsigned long number = GetLastError();
  char words[512] = "";
  FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, 0, number, 0, words,
                 sizeof words, 0);
  return fprintf(stderr, "%s: [WinError %lu] %s\n", file, number, words), 1;
}
#else
#include <dlfcn.h>
static void *open_library(const char *file) { return dlopen(file, RTLD_NOW | RTLD_GLOBAL); }
static void *find(void *library, const char *name) { return dlsym(library, name); }
static int refused(const char *file) { return fprintf(stderr, "%s: %s\n", file, dlerror()), 1; }
#endif

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

enum { INTEGER = 1, SHORT_TEXT = 11, TEXT = 65, HEADER = 24 };

int main(int count, char **files) {
  void *ffi = 0;
  for (int i = 1; i < count; ++i) {
    void *library = open_library(files[i]);
    if (!library) return refused(files[i]);
    if (!ffi) ffi = library;
  }
  int (*global)(const Bytes *, void **) = find(ffi, "TVMFFIFunctionGetGlobal");
  int (*call)(void *, Any *, int, Any *) = find(ffi, "TVMFFIFunctionCall");
  Bytes name = {"ffi.FunctionListGlobalNamesFunctor", 34};
  void *function = 0;
  Any list = {0}, size = {0}, argument = {INTEGER, 0, {-1}};
  if (global(&name, &function) || !function || call(function, 0, 0, &list)) return 2;
  if (call(list.object, &argument, 1, &size) || size.type != INTEGER) return 3;
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
