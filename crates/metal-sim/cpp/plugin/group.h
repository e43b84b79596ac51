// One threadgroup: its memory, its fibers and the order they run in.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "fiber.h"
#include "launch.h"

namespace msim {

class GroupRunner {
 public:
  GroupRunner();
  ~GroupRunner();
  GroupRunner(const GroupRunner&) = delete;
  GroupRunner& operator=(const GroupRunner&) = delete;

  void begin(const Launch& launch);
  Outcome run(const std::uint32_t (&position)[3]);

 private:
  struct Thread {
    FiberContext context;
    std::uint32_t wait;    // a Wait
    std::uint32_t site;    // where it waits
    std::uint32_t position[3];
    std::uint32_t active;  // lanes of the simd-group operation it comes back from
  };

  static void fiber_entry();
  static void wait(Group* group, std::uint32_t wait, std::uint32_t site);
  static void fault(Group* group, const Fault& fault);

  void run_fibers();
  void run_lanes();
  void run_simdgroup(std::uint32_t first);
  bool release_simdgroup(std::uint32_t first, std::uint32_t end);
  bool release_barrier();
  void stop_at(std::uint32_t thread, const Fault& fault);
  std::uint32_t next_ready(std::uint32_t n) const;
  void enter(std::uint32_t thread);
  void leave(std::uint32_t thread);
  void position_of(std::uint32_t thread, std::uint32_t (&out)[3]) const;
  void grow_stacks(std::size_t bytes);

  const Launch* launch_ = nullptr;
  bool reverse_ = false;
  std::uint32_t first_ = 0, end_ = 0;  // the simd-group that runs
  Group group_{};
  std::vector<unsigned char> memory_;
  std::vector<Touch> touches_;
  std::vector<unsigned char> publish_, shared_;
  std::vector<std::uint32_t> steps_, positions_;
  std::vector<Thread> threads_;
  FiberContext scheduler_;
  unsigned char* stacks_ = nullptr;
  std::size_t stacks_bytes_ = 0;
  Outcome outcome_;
};

}  // namespace msim
