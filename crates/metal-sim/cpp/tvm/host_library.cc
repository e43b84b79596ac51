#include "host_library.h"

#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/reflection/registry.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace msim {
namespace {

namespace ffi = tvm::ffi;

// Functions that host code may import by name instead of through a slot.
struct Import {
  const char* name;
  void* address;
};
const Import kImports[] = {
    {"TVMFFIErrorSetRaisedFromCStr", reinterpret_cast<void*>(&TVMFFIErrorSetRaisedFromCStr)},
    {"TVMFFIErrorSetRaisedFromCStrParts",
     reinterpret_cast<void*>(&TVMFFIErrorSetRaisedFromCStrParts)},
    {"TVMFFIFunctionCall", reinterpret_cast<void*>(&TVMFFIFunctionCall)},
    {"TVMFFIEnvModLookupFromImports", reinterpret_cast<void*>(&TVMFFIEnvModLookupFromImports)},
};

class HostLibrary final : public ffi::ModuleObj {
 public:
  explicit HostLibrary(const ArtcheckHostLibrary& library) : library_(library) {}
  ~HostLibrary() { library_.release(library_.self); }

  const char* kind() const final { return "library"; }
  int GetPropertyMask() const final { return ffi::Module::kRunnable; }

  ffi::Optional<ffi::Function> GetFunction(const ffi::String& name) final {
    const std::string symbol = ffi::symbol::tvm_ffi_symbol_prefix + std::string(name);
    std::uint64_t address = library_.find(library_.self, symbol.c_str());
    if (address == 0) return std::nullopt;
    return ffi::Function::FromExternC(new HostFunction(this, address), &HostFunction::call,
                                      &HostFunction::release);
  }

  void tell_natives() {
    for (const auto& import : kImports) {
      library_.native(library_.self, import.name, import.address);
    }
    ffi::Module::VisitContextSymbols(ffi::TypedFunction<void(ffi::String, void*)>(
        [this](ffi::String name, void* value) {
          library_.native(library_.self, name.c_str(), value);
        }));
    // Generated code passes this on to the runtime as it is: the module object
    // itself, not the handle of its header.
    library_.native(library_.self, ffi::symbol::tvm_ffi_library_ctx,
                    static_cast<ffi::ModuleObj*>(this));
  }

 private:
  // A function keeps its library alive.
  struct HostFunction {
    HostLibrary* library;
    std::uint64_t address;

    HostFunction(HostLibrary* owner, std::uint64_t at) : library(owner), address(at) {
      TVMFFIObjectIncRef(handle());
    }
    TVMFFIObjectHandle handle() const { return static_cast<ffi::Object*>(library); }
    static int call(void* self, const TVMFFIAny* args, std::int32_t count, TVMFFIAny* result) {
      auto* function = static_cast<HostFunction*>(self);
      const auto& host = function->library->library_;
      return host.call(host.self, function->address, args, count, result);
    }
    static void release(void* self) {
      auto* function = static_cast<HostFunction*>(self);
      TVMFFIObjectDecRef(function->handle());
      delete function;
    }
  };

  ArtcheckHostLibrary library_;
};

class BlobReader {
 public:
  explicit BlobReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t word() {
    need(8);
    std::uint64_t value;
    std::memcpy(&value, bytes_.data() + at_, 8);
    at_ += 8;
    return value;
  }
  std::string_view text() {
    std::uint64_t length = word();
    need(length);
    auto value = bytes_.substr(at_, length);
    at_ += length;
    return value;
  }
  std::vector<std::uint64_t> words() {
    std::uint64_t count = word();
    TVM_FFI_CHECK(count <= (bytes_.size() - at_) / 8, ValueError)
        << "metal-sim: module blob, byte " << at_ << ": " << count << " words do not fit";
    std::vector<std::uint64_t> values(count);
    for (auto& value : values) value = word();
    return values;
  }

 private:
  void need(std::uint64_t n) const {
    TVM_FFI_CHECK(n <= bytes_.size() - at_, ValueError)
        << "metal-sim: module blob, byte " << at_ << ": " << n << " more bytes needed";
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
};

ffi::Module load_module(std::string_view kind, std::string_view payload, const ffi::Module& host) {
  if (kind == "_lib") return host;
  const std::string loader = "ffi.Module.load_from_bytes." + std::string(kind);
  auto load = ffi::Function::GetGlobal(loader);
  TVM_FFI_CHECK(load.has_value(), RuntimeError)
      << "metal-sim: the library carries a module of kind `" << kind << "`, and `" << loader
      << "` is not registered";
  return (*load)(ffi::Bytes(payload.data(), payload.size())).cast<ffi::Module>();
}

// The layout written since TVM 0.22: the tree first, then kind and payload of each.
ffi::Module build_tree(std::string_view blob, const ffi::Module& host) {
  BlobReader in(blob);
  TVM_FFI_CHECK(in.word() == blob.size() - 8, ValueError)
      << "metal-sim: the module blob's length field does not fit its " << blob.size() << " bytes";
  const auto starts = in.words();
  const auto children = in.words();
  TVM_FFI_CHECK(starts.size() >= 2 && starts.front() == 0 && starts.back() == children.size(), ValueError)
      << "metal-sim: the module blob is not in the layout written since TVM 0.22";
  std::vector<ffi::Module> modules;
  for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
    auto kind = in.text();
    modules.push_back(load_module(kind, kind == "_lib" ? std::string_view() : in.text(), host));
  }
  for (std::size_t i = 0; i < modules.size(); ++i) {
    for (std::uint64_t c = starts[i]; c < starts[i + 1] && c < children.size(); ++c) {
      TVM_FFI_CHECK(children[c] < modules.size(), ValueError)
          << "metal-sim: the module blob names child " << children[c] << " of " << modules.size();
      modules[i]->ImportModule(modules[children[c]]);
    }
  }
  return modules.front();
}

TVM_FFI_STATIC_INIT_BLOCK() {
  ffi::reflection::GlobalDef().def("artcheck.metal_sim.open", [](void* library, ffi::Bytes blob) {
    auto object = ffi::make_object<HostLibrary>(*static_cast<const ArtcheckHostLibrary*>(library));
    HostLibrary* host = object.get();
    ffi::Module owner{ffi::ObjectPtr<ffi::ModuleObj>(object)};
    auto root = build_tree(std::string_view(blob.data(), blob.size()), owner);
    host->tell_natives();
    return root;
  });
}

}  // namespace
}  // namespace msim
