// The device as TVM's runtime sees it: `device_api.metal`.
#include <tvm/ffi/function.h>
#include <tvm/ffi/reflection/registry.h>
#include <tvm/runtime/device_api.h>

#include <cstring>

#include "memory.h"
#include "options.h"

namespace msim {
namespace {

using tvm::Device;
using tvm::runtime::DeviceAttrKind;

// One end of a copy: host bytes, or a checked piece of a device allocation.
unsigned char* resolve(const void* pointer, std::size_t offset, std::size_t bytes, Device device,
                       const char* side, unsigned char** init) {
  *init = nullptr;
  auto& memory = DeviceMemory::global();
  if (device.device_type != kDLMetal) {
    TVM_FFI_CHECK(!memory.is_handle(pointer), RuntimeError)
        << "metal-sim: copy " << side << " the host is given a device pointer";
    return const_cast<unsigned char*>(static_cast<const unsigned char*>(pointer)) + offset;
  }
  auto place = memory.find(pointer);
  TVM_FFI_CHECK(place.allocation != nullptr, RuntimeError)
      << "metal-sim: copy " << side << " the device: " << pointer << " is not live device memory";
  TVM_FFI_CHECK(place.offset == 0, RuntimeError)
      << "metal-sim: copy " << side << " the device: the pointer is " << place.offset
      << " bytes into an allocation; on Metal a device pointer is an object and cannot be offset";
  const auto& a = *place.allocation;
  TVM_FFI_CHECK(offset <= a.bytes && bytes <= a.bytes - offset, RuntimeError)
      << "metal-sim: copy " << side << " the device: bytes " << offset << " to " << offset + bytes
      << " of an allocation of " << a.bytes;
  if (a.init != nullptr) *init = a.init + offset;
  return a.data + offset;
}

class SimulatedMetal final : public tvm::runtime::DeviceAPI {
 public:
  void SetDevice(Device) final {}

  void GetAttr(Device device, DeviceAttrKind kind, tvm::ffi::Any* rv) final {
    using namespace tvm::runtime;
    const bool exists = device.device_id == 0;
    switch (kind) {
      case kExist: *rv = static_cast<int>(exists); break;
      case kMaxThreadsPerBlock: *rv = 1024; break;
      case kWarpSize: *rv = 32; break;
      case kMaxSharedMemoryPerBlock: *rv = 32768; break;
      case kDeviceName: *rv = tvm::ffi::String("simulated Metal device (artcheck metal-sim)"); break;
      default: break;
    }
  }

  void* AllocDataSpace(Device device, std::size_t bytes, std::size_t, DLDataType) final {
    TVM_FFI_CHECK(device.device_id == 0, RuntimeError)
        << "metal-sim: there is one simulated device, number 0; asked for " << device.device_id;
    return DeviceMemory::global().allocate(bytes, Options::get().guard);
  }

  void FreeDataSpace(Device, void* pointer) final {
    if (pointer != nullptr) DeviceMemory::global().release(pointer);
  }

  void StreamSync(Device, TVMStreamHandle) final {}

 protected:
  void CopyDataFromTo(const void* from, std::size_t from_offset, void* to, std::size_t to_offset,
                      std::size_t bytes, Device from_device, Device to_device, DLDataType,
                      TVMStreamHandle) final {
    if (bytes == 0) return;
    unsigned char *from_init, *to_init;
    auto* source = resolve(from, from_offset, bytes, from_device, "from", &from_init);
    auto* target = resolve(to, to_offset, bytes, to_device, "to", &to_init);
    std::memmove(target, source, bytes);
    if (to_init == nullptr) return;
    if (from_init != nullptr) {
      std::memmove(to_init, from_init, bytes);
    } else {
      std::memset(to_init, 1, bytes);
    }
  }
};

TVM_FFI_STATIC_INIT_BLOCK() {
  namespace refl = tvm::ffi::reflection;
  refl::GlobalDef().def_packed("device_api.metal", [](tvm::ffi::PackedArgs, tvm::ffi::Any* rv) {
    static auto* device = new SimulatedMetal();
    *rv = static_cast<void*>(static_cast<tvm::runtime::DeviceAPI*>(device));
  });
}

}  // namespace
}  // namespace msim
