// Runs one kernel over its grid.
//
// Threadgroups are spread over operating-system threads. A threadgroup runs on
// one of them: as a loop, or, when its threads wait for each other, as fibers.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "../kernel/abi.h"

namespace msim {

struct Launch {
  Entry entry = nullptr;
  bool fibers = false;
  bool lanes = false, barriers = false;
  std::uint32_t threadgroup_bytes = 0;
  std::uint32_t grid[3], block[3];
  std::vector<Buffer> buffers;
  const unsigned char* constants = nullptr;
};

// The first fault of a launch, with where it happened.
struct FaultReport {
  Fault fault;
  std::uint32_t thread[3], group[3];
  std::uint32_t other[3];  // position of `fault.other_thread`
};

struct Outcome {
  std::optional<FaultReport> fault;
  std::optional<FaultReport> unwritten;  // a read of memory that nothing has written
  std::optional<FaultReport> divided;    // an integer divided by zero
};

Outcome run(const Launch& launch);

}  // namespace msim
