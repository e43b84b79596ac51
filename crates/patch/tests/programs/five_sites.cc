// Asks the five converters of a compiled attn_backend.cc which tags they take.
//
// usage: five_sites TAG...    prints "<converter> <tag> accepted|rejected: <message>"
#include <cstdio>

#include "attn_backend.h"

namespace tvm {
namespace runtime {
namespace vm {
// Defined in attn_backend.cc; the class types come from its header.
std::unique_ptr<PagedPrefillFunc> ConvertPagedPrefillFunc(ffi::Array<ffi::Any>, AttnKind);
std::unique_ptr<RaggedPrefillFunc> ConvertRaggedPrefillFunc(ffi::Array<ffi::Any>, AttnKind);
std::unique_ptr<PagedDecodeFunc> ConvertPagedDecodeFunc(ffi::Array<ffi::Any>, AttnKind);
std::unique_ptr<PagedPrefillTreeMaskFunc> ConvertPagedPrefillTreeMaskFunc(ffi::Array<ffi::Any>,
                                                                          AttnKind);
std::unique_ptr<RaggedPrefillTreeMaskFunc> ConvertRaggedPrefillTreeMaskFunc(ffi::Array<ffi::Any>,
                                                                            AttnKind);
}  // namespace vm
}  // namespace runtime
}  // namespace tvm

using namespace tvm::runtime::vm;
namespace ffi = tvm::ffi;

template <typename Convert>
void Ask(const char* name, Convert convert, const char* tag) {
  ffi::Function kernel = ffi::Function::FromTyped([](int64_t x) { return x; });
  ffi::Array<ffi::Any> args{ffi::String(tag), kernel};
  try {
    bool made = convert(args, AttnKind::kMHA) != nullptr;
    std::printf("%s %s %s\n", name, tag, made ? "accepted" : "null");
  } catch (const ffi::Error& error) {
    std::printf("%s %s rejected: %s\n", name, tag, error.what());
  }
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    Ask("ConvertPagedPrefillFunc", ConvertPagedPrefillFunc, argv[i]);
    Ask("ConvertRaggedPrefillFunc", ConvertRaggedPrefillFunc, argv[i]);
    Ask("ConvertPagedDecodeFunc", ConvertPagedDecodeFunc, argv[i]);
    Ask("ConvertPagedPrefillTreeMaskFunc", ConvertPagedPrefillTreeMaskFunc, argv[i]);
    Ask("ConvertRaggedPrefillTreeMaskFunc", ConvertRaggedPrefillTreeMaskFunc, argv[i]);
  }
  return 0;
}
