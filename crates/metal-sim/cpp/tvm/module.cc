// The `metal` device module: its loader and its functions.
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/reflection/registry.h>

#include <chrono>
#include <cstring>
#include <string>

#include "arguments.h"
#include "kernel.h"
#include "last_words.h"
#include "payload.h"

namespace msim {
namespace {

namespace ffi = tvm::ffi;

// A kernel as the runtime calls it.
struct Function {
  KernelInfo info;
  LaunchLayout layout;
  Kernel kernel;

  void call(ffi::PackedArgs args) const {
    const auto& compiled = kernel.compiled();
    TVM_FFI_CHECK(compiled.entry != nullptr, RuntimeError)
        << "metal-sim: kernel `" << info.name << "` cannot be simulated: " << compiled.error;
    BoundArguments bound = bind(info, compiled.translated, layout, args);
    if (auto fault = kernel.run(bound); !fault.empty()) TVM_FFI_THROW(RuntimeError) << fault;
  }
};

class SimulatedModule final : public ffi::ModuleObj {
 public:
  SimulatedModule(ffi::Bytes bytes, Payload payload) : bytes_(std::move(bytes)) {
    auto start = std::chrono::steady_clock::now();
    auto compiled = compile(payload);
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    Report::global().compiled(spent.count());
    for (auto& [name, info] : payload.kernels) {
      LaunchLayout layout(info);
      Kernel kernel(info.name, std::move(compiled[name]));
      functions_[name] = std::make_shared<Function>(
          Function{std::move(info), std::move(layout), std::move(kernel)});
    }
  }

  const char* kind() const final { return "metal"; }
  int GetPropertyMask() const final { return ffi::Module::kBinarySerializable | ffi::Module::kRunnable; }
  ffi::Bytes SaveToBytes() const final { return bytes_; }

  ffi::Optional<ffi::Function> GetFunction(const ffi::String& name) final {
    auto found = functions_.find(std::string(name));
    if (found == functions_.end()) return std::nullopt;
    return ffi::Function::FromPacked(
        [function = found->second](ffi::PackedArgs args, ffi::Any*) { function->call(args); });
  }

  ffi::String InspectSource(const ffi::String&) const final {
    std::string all;
    for (const auto& [name, function] : functions_) all += function->info.source + "\n";
    return all;
  }

 private:
  ffi::Bytes bytes_;
  std::map<std::string, std::shared_ptr<Function>> functions_;
};

ffi::Module load(const ffi::Bytes& bytes) {
  Payload payload;
  try {
    payload = parse_payload(std::string_view(bytes.data(), bytes.size()));
  } catch (const std::runtime_error& error) {
    TVM_FFI_THROW(ValueError) << "metal-sim: " << error.what();
  }
  TVM_FFI_CHECK(payload.format == "metal", ValueError)
      << "metal-sim: the module holds compiled Metal libraries (format \"" << payload.format
      << "\"), which only Apple's tools can run; build without a Mac to get source";
  return ffi::Module(ffi::make_object<SimulatedModule>(bytes, std::move(payload)));
}

TVM_FFI_STATIC_INIT_BLOCK() {
  namespace refl = tvm::ffi::reflection;
  watch_for_faults();
  refl::GlobalDef()
      .def("ffi.Module.load_from_bytes.metal", load)
      .def("artcheck.metal_sim.report", [] { return ffi::String(Report::global().json()); });
}

}  // namespace
}  // namespace msim
