// The `metal` device module: its loader and its functions.
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/reflection/registry.h>

#include <chrono>
#include <cstring>
#include <string>

#include "arguments.h"
#include "compile.h"
#include "explain.h"
#include "launch.h"
#include "last_words.h"
#include "memory.h"
#include "payload.h"
#include "report.h"

namespace msim {
namespace {

namespace ffi = tvm::ffi;

struct Kernel {
  KernelInfo info;
  CompiledKernel compiled;
  LaunchLayout layout;
  KernelStats* stats = nullptr;

  void call(ffi::PackedArgs args) const;
};

void Kernel::call(ffi::PackedArgs args) const {
  TVM_FFI_CHECK(compiled.entry != nullptr, RuntimeError)
      << "metal-sim: kernel `" << info.name << "` cannot be simulated: " << compiled.error;
  BoundArguments bound = bind(info, compiled.translated, layout, args);
  bound.launch.entry = compiled.entry;
  auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  {
    LastWords words(info.name);
    outcome = run(bound.launch);
  }
  auto spent = std::chrono::steady_clock::now() - start;
  {
    std::lock_guard lock(Report::global().mutex());
    ++stats->calls;
    if (outcome.unwritten && stats->unwritten.empty()) {
      stats->unwritten = describe(compiled.translated, bound, *outcome.unwritten);
    }
    stats->threadgroups += std::uint64_t{bound.launch.grid[0]} * bound.launch.grid[1] * bound.launch.grid[2];
    stats->nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
  }
  if (outcome.fault) {
    TVM_FFI_THROW(RuntimeError) << explain(info.name, compiled.translated, bound, outcome);
  }
  for (std::size_t i = 0; i < bound.allocations.size(); ++i) {
    if (bound.written[i] != 0) bound.allocations[i]->last_writer = info.name;
  }
}

class SimulatedModule final : public ffi::ModuleObj {
 public:
  SimulatedModule(ffi::Bytes bytes, Payload payload) : bytes_(std::move(bytes)) {
    auto start = std::chrono::steady_clock::now();
    auto compiled = compile(payload);
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    Report::global().compiled(spent.count());
    for (auto& [name, info] : payload.kernels) {
      auto kernel = std::make_shared<Kernel>();
      kernel->layout = LaunchLayout(info);
      kernel->info = std::move(info);
      kernel->compiled = std::move(compiled[name]);
      kernel->stats = Report::global().add(kernel->info.name);
      kernel->stats->error = kernel->compiled.error;
      kernel->stats->cached = kernel->compiled.cached;
      kernel->stats->lanes = kernel->compiled.translated.lanes;
      kernels_[name] = std::move(kernel);
    }
  }

  const char* kind() const final { return "metal"; }
  int GetPropertyMask() const final { return ffi::Module::kBinarySerializable | ffi::Module::kRunnable; }
  ffi::Bytes SaveToBytes() const final { return bytes_; }

  ffi::Optional<ffi::Function> GetFunction(const ffi::String& name) final {
    auto found = kernels_.find(std::string(name));
    if (found == kernels_.end()) return std::nullopt;
    return ffi::Function::FromPacked(
        [kernel = found->second](ffi::PackedArgs args, ffi::Any*) { kernel->call(args); });
  }

  ffi::String InspectSource(const ffi::String&) const final {
    std::string all;
    for (const auto& [name, kernel] : kernels_) all += kernel->info.source + "\n";
    return all;
  }

 private:
  ffi::Bytes bytes_;
  std::map<std::string, std::shared_ptr<Kernel>> kernels_;
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
