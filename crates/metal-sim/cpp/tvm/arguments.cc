#include "arguments.h"

#include <tvm/ffi/error.h>

#include <cstring>

#include "options.h"

namespace msim {
namespace {

namespace ffi = tvm::ffi;

constexpr std::uint64_t kMaxThreads = 1024;

const TVMFFIAny& raw(ffi::PackedArgs args, std::size_t i) {
  return reinterpret_cast<const TVMFFIAny*>(args.data())[i];
}

std::shared_ptr<Allocation> buffer(const KernelInfo& info, const std::string& name, const void* pointer) {
  auto& memory = DeviceMemory::global();
  auto place = memory.find(pointer);
  TVM_FFI_CHECK(place.allocation != nullptr, RuntimeError)
      << "metal-sim: kernel `" << info.name << "`, buffer `" << name << "`: " << pointer
      << (memory.is_handle(pointer) ? " is device memory that has been released"
                                    : " is a host address, not device memory");
  TVM_FFI_CHECK(place.offset == 0, RuntimeError)
      << "metal-sim: kernel `" << info.name << "`, buffer `" << name << "`: the pointer is "
      << place.offset << " bytes into its allocation; on Metal a device pointer is an object and "
      << "cannot be offset";
  return place.allocation;
}

// One 64-bit word per value, narrower ones in its low half: the structure that
// the generated source declares.
std::uint64_t constant(const ArgumentType& type, const TVMFFIAny& value) {
  std::uint64_t word = 0;
  if (type.code == kDLFloat && type.bits == 32) {
    float narrow = static_cast<float>(value.v_float64);
    std::memcpy(&word, &narrow, sizeof narrow);
  } else if (type.code == kDLFloat) {
    std::memcpy(&word, &value.v_float64, sizeof word);
  } else if (type.bits == 32) {
    auto narrow = static_cast<std::uint32_t>(value.v_int64);
    std::memcpy(&word, &narrow, sizeof narrow);
  } else {
    std::memcpy(&word, &value.v_int64, sizeof word);
  }
  return word;
}

void sizes(const KernelInfo& info, const LaunchLayout& layout, ffi::PackedArgs args, Launch& launch) {
  std::uint32_t all[6] = {1, 1, 1, 1, 1, 1};
  for (std::size_t i = 0; i < layout.sizes.size(); ++i) {
    std::int64_t size = raw(args, info.arguments.size() + i).v_int64;
    TVM_FFI_CHECK(size >= 0 && size <= 0x7fffffff, RuntimeError)
        << "metal-sim: kernel `" << info.name << "`: launch size `" << info.launch_tags[i] << "` is "
        << size;
    // TVM's runtimes launch one where a dynamic size is zero.
    all[layout.sizes[i]] = static_cast<std::uint32_t>(size == 0 ? 1 : size);
  }
  std::memcpy(launch.grid, all, sizeof launch.grid);
  std::memcpy(launch.block, all + 3, sizeof launch.block);
  std::uint64_t threads = std::uint64_t{all[3]} * all[4] * all[5];
  TVM_FFI_CHECK(threads <= kMaxThreads, RuntimeError)
      << "metal-sim: kernel `" << info.name << "`: launched with " << all[3] << "x" << all[4] << "x"
      << all[5] << " = " << threads << " threads per threadgroup; Metal allows " << kMaxThreads;
}

}  // namespace

LaunchLayout::LaunchLayout(const KernelInfo& info) {
  for (const auto& tag : info.launch_tags) {
    bool grid = tag.rfind("blockIdx.", 0) == 0 && tag.size() == 10;
    bool group = tag.rfind("threadIdx.", 0) == 0 && tag.size() == 11;
    char axis = tag.empty() ? '?' : tag.back();
    if ((!grid && !group) || axis < 'x' || axis > 'z') {
      error = "launch parameter `" + tag + "` is not simulated";
      return;
    }
    sizes.push_back((axis - 'x') + (group ? 3 : 0));
  }
}

BoundArguments bind(const KernelInfo& info, const TranslatedKernel& kernel,
                    const LaunchLayout& layout, ffi::PackedArgs args) {
  TVM_FFI_CHECK(layout.error.empty(), RuntimeError)
      << "metal-sim: kernel `" << info.name << "`: " << layout.error;
  const std::size_t expected = info.arguments.size() + layout.sizes.size();
  TVM_FFI_CHECK(static_cast<std::size_t>(args.size()) == expected, RuntimeError)
      << "metal-sim: kernel `" << info.name << "` takes " << expected << " arguments, got "
      << args.size();
  BoundArguments bound;
  std::size_t buffers = 0;
  for (; buffers < info.arguments.size() && info.arguments[buffers].code == kDLOpaqueHandle; ++buffers) {}
  TVM_FFI_CHECK(buffers == kernel.buffers.size(), RuntimeError)
      << "metal-sim: kernel `" << info.name << "`: the function table has " << buffers
      << " buffers, the source " << kernel.buffers.size();
  bound.written.resize(buffers);
  const bool guard = Options::get().guard;
  for (std::size_t i = 0; i < buffers; ++i) {
    bound.bind(buffer(info, kernel.buffers[i], raw(args, i).v_ptr), 0, guard);
  }
  for (std::size_t i = buffers; i < info.arguments.size(); ++i) {
    bound.constants.push_back(constant(info.arguments[i], raw(args, i)));
  }
  TVM_FFI_CHECK(bound.constants.empty() == !kernel.has_constants, RuntimeError)
      << "metal-sim: kernel `" << info.name << "`: the function table has " << bound.constants.size()
      << " plain arguments, the source has " << (kernel.has_constants ? "some" : "none");
  bound.launch.constants = reinterpret_cast<const unsigned char*>(bound.constants.data());
  sizes(info, layout, args, bound.launch);
  return bound;
}

}  // namespace msim
