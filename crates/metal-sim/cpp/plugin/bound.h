// What one launch uses: its memory, its constants, its sizes.
#pragma once
#include <memory>
#include <vector>

#include "launch.h"
#include "memory.h"

namespace msim {

struct BoundArguments {
  Launch launch;
  std::vector<std::shared_ptr<Allocation>> allocations;  // keep the buffers alive
  std::vector<unsigned char> written;
  std::vector<std::uint64_t> constants;

  // The next buffer, from a byte on. No more of them than `written` has room for.
  void bind(std::shared_ptr<Allocation> allocation, std::uint64_t offset, bool guard) {
    const auto& a = *allocation;
    launch.buffers.push_back({a.data + offset, a.bytes - offset,
                              a.init == nullptr ? nullptr : a.init + offset,
                              guard ? &written[launch.buffers.size()] : nullptr});
    allocations.push_back(std::move(allocation));
  }
};

}  // namespace msim
