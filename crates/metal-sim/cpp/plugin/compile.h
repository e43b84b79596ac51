// Translated kernels to machine code, with a cache on disk.
//
// Each kernel has a key: a hash of its source, the headers, the compiler and
// this plug-in. `KEY.ref` in the cache names the shared library that has it.
// Kernels that are missing are compiled several to a library, so that headers
// are read and the linker runs once for many.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "../kernel/abi.h"
#include "payload.h"
#include "translate.h"

namespace msim {

struct CompiledKernel {
  TranslatedKernel translated;
  Entry entry = nullptr;
  std::uint64_t constant_bytes = 0;  // of the structure that the kernel declares
  std::string error;    // why there is no entry: "line 12: ..."
  bool cached = false;  // was there already
};

std::map<std::string, CompiledKernel> compile(const Payload& payload);

}  // namespace msim
