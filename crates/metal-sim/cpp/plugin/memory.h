// Device memory of the simulated GPU.
//
// The pointer that the host sees is a handle: an address that no process can map.
// The bytes live elsewhere, with an inaccessible page on each side. Using a device
// pointer as a host pointer therefore faults at once, as it would on a Mac, where
// the "pointer" is an object.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace msim {

struct Allocation {
  std::uint64_t bytes = 0;
  unsigned char* data = nullptr;
  unsigned char* init = nullptr;  // one byte per data byte, guard mode only
  std::string last_writer;        // the kernel that wrote here last, guard mode only

  ~Allocation();

 private:
  friend class DeviceMemory;
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
};

class DeviceMemory {
 public:
  static DeviceMemory& global();

  void* allocate(std::uint64_t bytes, bool guard);
  // Throws std::runtime_error when `handle` is not the start of a live allocation.
  void release(void* handle);

  struct Place {
    std::shared_ptr<Allocation> allocation;  // empty: not device memory
    std::uint64_t offset = 0;
  };
  Place find(const void* handle) const;
  static bool is_handle(const void* address);
  std::uint64_t bytes_in_use() const;
  std::uint64_t peak_bytes() const;

 private:
  DeviceMemory() = default;
  // The first is not the range's start: no handle looks like an offset from it.
  std::uintptr_t next_ = (std::uintptr_t{1} << 60) + 4096;
  mutable std::shared_mutex mutex_;
  std::map<std::uintptr_t, std::shared_ptr<Allocation>> live_;
  // Handles given back, by size; the oldest is used first.
  std::map<std::uint64_t, std::vector<std::uintptr_t>> free_;
  std::uint64_t in_use_ = 0, peak_ = 0;
};

}  // namespace msim
