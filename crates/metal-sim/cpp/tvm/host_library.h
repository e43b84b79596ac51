// A model library whose host code somebody else runs (an emulator), shown to the
// runtime as a module. C linkage: the other side is not C++.
#pragma once
#include <cstdint>

extern "C" {

// Handed as an opaque pointer, with the library's module blob (leading length
// included), to the registered function `artcheck.metal_sim.open`, which returns
// the root module. It is copied; `release` is called once, when the last
// function of the library is gone or when opening fails.
struct ArtcheckHostLibrary {
  void* self;
  // The address of a symbol, in whatever space `call` understands; 0 if absent.
  std::uint64_t (*find)(void* self, const char* symbol);
  // Calls a packed function: argument and result arrays as in TVMFFISafeCallType.
  // Returns 0, or another number after an error has been raised.
  int (*call)(void* self, std::uint64_t address, const void* arguments, std::int32_t count,
              void* result);
  // Tells where something native lies: a context slot's function ("__TVM..."), a
  // function that libraries import ("TVMFFI..."), or the library's own context.
  void (*native)(void* self, const char* name, void* value);
  void (*release)(void* self);
};

}  // extern "C"
