#include "device.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.h"
#include "last_words.h"
#include "lex.h"
#include "memory.h"
#include "options.h"
#include "payload.h"

namespace msim {
namespace {

// All kernels of one source. Kept until the process ends, as their code is.
struct Program {
  std::deque<Kernel> kernels;
  std::vector<std::vector<const char*>> names;
  std::vector<msim_kernel> facts;
  std::string error;
};

const char* keep(std::string text) {
  thread_local std::string last;
  last = std::move(text);
  return last.c_str();
}

std::vector<std::string> kernel_names(const std::string& source) {
  std::vector<std::string> names;
  const auto tokens = lex(source);
  for (std::size_t i = 0; i + 2 < tokens.size(); ++i) {
    if (tokens[i].text == "kernel" && tokens[i + 1].text == "void") names.push_back(tokens[i + 2].text);
  }
  return names;
}

void describe(Program& program, const Kernel& kernel) {
  const auto& translated = kernel.compiled().translated;
  auto& names = program.names.emplace_back();
  for (const auto& name : translated.buffers) names.push_back(name.c_str());
  program.facts.push_back({&kernel, kernel.name().c_str(), names.data(), names.size(),
                           translated.has_constants ? std::int64_t{translated.constants_at} : -1,
                           kernel.compiled().constant_bytes, translated.threadgroup_bytes});
}

std::unique_ptr<Program> build(const std::string& source) {
  auto program = std::make_unique<Program>();
  Payload payload;
  for (const auto& name : kernel_names(source)) {
    payload.kernels[name].name = name;
    payload.kernels[name].source = source;
  }
  auto start = std::chrono::steady_clock::now();
  auto compiled = compile(payload);
  std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  Report::global().compiled(spent.count());
  for (auto& [name, made] : compiled) {
    const auto& kernel = program->kernels.emplace_back(name, std::move(made));
    const auto& error = kernel.compiled().error;
    if (!error.empty()) program->error += "metal-sim: kernel `" + name + "`: " + error + "\n";
    describe(*program, kernel);
  }
  if (compiled.empty()) program->error = "metal-sim: no kernel in the source";
  return program;
}

// What a kernel that starts with these bindings uses.
BoundArguments bound_by(const Kernel& kernel, const msim_binding* bindings, const std::uint64_t* sizes) {
  const auto& translated = kernel.compiled().translated;
  const bool guard = Options::get().guard;
  BoundArguments bound;
  bound.written.resize(translated.buffers.size());
  for (std::size_t i = 0; i < translated.buffers.size(); ++i) {
    auto place = DeviceMemory::global().find(bindings[i].memory);
    if (place.allocation == nullptr || bindings[i].offset > place.allocation->bytes) {
      throw std::runtime_error("metal-sim: kernel `" + kernel.name() + "`: buffer `" +
                               translated.buffers[i] + "` is not device memory");
    }
    bound.bind(std::move(place.allocation), bindings[i].offset, guard);
  }
  if (translated.has_constants) {
    const auto& constants = bindings[translated.constants_at];
    // What the kernel declares, also where it is bound to fewer bytes.
    bound.constants.resize(std::max(constants.length, kernel.compiled().constant_bytes) / 8 + 1);
    std::memcpy(bound.constants.data(), constants.bytes, constants.length);
  }
  bound.launch.constants = reinterpret_cast<const unsigned char*>(bound.constants.data());
  for (int axis = 0; axis < 3; ++axis) {
    bound.launch.grid[axis] = static_cast<std::uint32_t>(sizes[axis]);
    bound.launch.block[axis] = static_cast<std::uint32_t>(sizes[3 + axis]);
  }
  return bound;
}

std::shared_ptr<Allocation> at(void* memory) { return DeviceMemory::global().find(memory).allocation; }

[[maybe_unused]] const bool watching = (watch_for_faults(), true);

}  // namespace
}  // namespace msim

using namespace msim;

std::uint64_t artcheck_metal_devices() { return 1; }

std::uint64_t artcheck_metal_memory_bytes() {
  return std::uint64_t(sysconf(_SC_PHYS_PAGES)) * std::uint64_t(sysconf(_SC_PAGESIZE));
}

void* artcheck_metal_allocate(std::uint64_t bytes, std::uint64_t shared) try {
  void* handle = DeviceMemory::global().allocate(bytes, Options::get().guard);
  auto made = at(handle);
  // What the CPU writes is not seen, so all of it counts as written.
  if (shared != 0 && made->init != nullptr) {
    std::memset(made->init, 1, bytes);
    std::memset(made->data, 0, bytes);
  }
  return handle;
} catch (const std::exception&) {
  return nullptr;
}

void artcheck_metal_free(void* memory) {
  if (at(memory) != nullptr) DeviceMemory::global().release(memory);
}

void* artcheck_metal_bytes(void* memory) {
  auto found = at(memory);
  return found == nullptr ? nullptr : found->data;
}

void artcheck_metal_copy(void* from, std::uint64_t from_offset, void* to, std::uint64_t to_offset,
                         std::uint64_t bytes) {
  auto source = at(from), target = at(to);
  if (source == nullptr || target == nullptr) return;
  std::memmove(target->data + to_offset, source->data + from_offset, bytes);
  if (target->init != nullptr) std::memmove(target->init + to_offset, source->init + from_offset, bytes);
}

void artcheck_metal_fill(void* memory, std::uint64_t offset, std::uint64_t bytes, std::uint64_t value) {
  auto target = at(memory);
  if (target == nullptr) return;
  std::memset(target->data + offset, static_cast<int>(value & 0xff), bytes);
  if (target->init != nullptr) std::memset(target->init + offset, 1, bytes);
}

const msim_kernel* artcheck_metal_compile(const char* source, std::uint64_t* count, const char** error) try {
  static std::mutex mutex;
  static auto* programs = new std::map<std::string, std::unique_ptr<Program>>();
  std::lock_guard lock(mutex);
  auto& program = (*programs)[source];
  if (program == nullptr) program = build(source);
  *count = program->facts.size();
  *error = program->error.empty() ? nullptr : program->error.c_str();
  return program->error.empty() ? program->facts.data() : nullptr;
} catch (const std::exception& problem) {
  *error = keep(problem.what());
  return nullptr;
}

const char* artcheck_metal_run(const void* code, const msim_binding* bindings, const std::uint64_t* sizes) try {
  const auto& kernel = *static_cast<const Kernel*>(code);
  BoundArguments bound = bound_by(kernel, bindings, sizes);
  auto fault = kernel.run(bound);
  return fault.empty() ? nullptr : keep(std::move(fault));
} catch (const std::exception& problem) {
  return keep(problem.what());
}
