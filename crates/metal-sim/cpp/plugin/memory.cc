#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace msim {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20;
// Beyond the 48 bits that an address has on x86-64 and arm64.
constexpr std::uintptr_t kHandleBase = std::uintptr_t{1} << 60;
constexpr std::uint64_t kHandleRange = std::uint64_t{1} << 50;
// More than any machine has; larger requests are mistakes.
constexpr std::uint64_t kLargestAllocation = std::uint64_t{1} << 40;
// The strictest alignment a kernel may ask for: a vector of four 32-bit words.
constexpr std::uint64_t kAlignment = 16;

std::uint64_t round_up(std::uint64_t n, std::uint64_t to) { return (n + to - 1) / to * to; }

}  // namespace

Allocation::~Allocation() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
  std::free(init);
}

DeviceMemory& DeviceMemory::global() {
  // Never destroyed: tensors may be released while the process ends.
  static auto* memory = new DeviceMemory();
  return *memory;
}

void* DeviceMemory::allocate(std::uint64_t bytes, bool guard) {
  if (bytes > kLargestAllocation) throw std::bad_alloc();
  auto allocation = std::make_shared<Allocation>();
  std::uint64_t room = round_up(std::max<std::uint64_t>(bytes, 1), kPage);
  allocation->mapped_ = room + 2 * kPage;
  void* mapping = mmap(nullptr, allocation->mapped_, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  allocation->mapping_ = mapping;
  auto* first = static_cast<unsigned char*>(mapping) + kPage;
  if (mprotect(first, room, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  // Kernels walk weights with long strides; small pages would cost more than the data.
  if (room >= kHugePage) madvise(first, room, MADV_HUGEPAGE);
  // The end lies against the inaccessible page: an overrun faults soonest there.
  allocation->data = first + room - round_up(std::max<std::uint64_t>(bytes, 1), kAlignment);
  allocation->bytes = bytes;
  if (guard && bytes > 0) {
    allocation->init = static_cast<unsigned char*>(std::calloc(bytes, 1));
    if (allocation->init == nullptr) throw std::bad_alloc();
    // NaN for floats and halves: using what nobody wrote shows.
    std::memset(allocation->data, 0xff, bytes);
  }

  std::unique_lock lock(mutex_);
  std::uintptr_t handle;
  auto reuse = free_.find(room);
  // Young handles rest: a use after release is then still seen as one.
  if (reuse != free_.end() && reuse->second.size() > 64) {
    handle = reuse->second.front();
    reuse->second.erase(reuse->second.begin());
  } else {
    handle = next_;
    next_ += room + kPage;
    if (next_ > kHandleBase + kHandleRange) throw std::bad_alloc();
  }
  live_[handle] = std::move(allocation);
  in_use_ += bytes;
  peak_ = std::max(peak_, in_use_);
  return reinterpret_cast<void*>(handle);
}

void DeviceMemory::release(void* handle) {
  std::shared_ptr<Allocation> last;  // unmapped after the lock is gone
  std::unique_lock lock(mutex_);
  auto found = live_.find(reinterpret_cast<std::uintptr_t>(handle));
  if (found == live_.end()) throw std::runtime_error("release of something that is not live device memory");
  last = std::move(found->second);
  in_use_ -= last->bytes;
  free_[round_up(std::max<std::uint64_t>(last->bytes, 1), kPage)].push_back(found->first);
  live_.erase(found);
}

DeviceMemory::Place DeviceMemory::find(const void* handle) const {
  auto address = reinterpret_cast<std::uintptr_t>(handle);
  std::shared_lock lock(mutex_);
  auto after = live_.upper_bound(address);
  if (after == live_.begin()) return {};
  auto& [start, allocation] = *std::prev(after);
  std::uint64_t offset = address - start;
  if (offset > allocation->bytes) return {};
  return {allocation, offset};
}

bool DeviceMemory::is_handle(const void* address) {
  auto a = reinterpret_cast<std::uintptr_t>(address);
  return a >= kHandleBase && a - kHandleBase < kHandleRange;
}

std::uint64_t DeviceMemory::bytes_in_use() const {
  std::shared_lock lock(mutex_);
  return in_use_;
}

std::uint64_t DeviceMemory::peak_bytes() const {
  std::shared_lock lock(mutex_);
  return peak_;
}

}  // namespace msim
