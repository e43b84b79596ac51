// What was run: per kernel calls, time and errors; as JSON.
#pragma once
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace msim {

struct KernelStats {
  std::string name;
  std::uint64_t calls = 0, threadgroups = 0, nanoseconds = 0;
  std::string error;      // did not compile
  std::string unwritten;  // the first read of memory that nothing had written
  std::string divided;    // the first integer divided by zero
  bool cached = false;
  bool lanes = false;  // a simd-group at once
};

class Report {
 public:
  static Report& global();
  // Stays valid; the caller updates it under `mutex()`.
  KernelStats* add(const std::string& name);
  std::mutex& mutex() { return mutex_; }
  void compiled(double seconds);
  std::string json();

 private:
  Report() = default;
  std::mutex mutex_;
  std::deque<KernelStats> kernels_;
  double compile_seconds_ = 0;
};

}  // namespace msim
