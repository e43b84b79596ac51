// A few operating-system threads that wait for launches.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace msim {

class Workers {
 public:
  static Workers& global();
  // Runs `job` on the caller and on as many workers as `pieces` can keep busy;
  // returns when all are done.
  void run(std::uint64_t pieces, const std::function<void()>& job);

 private:
  explicit Workers(unsigned count);
  void loop();

  std::mutex one_launch_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void()>* job_ = nullptr;
  unsigned wanted_ = 0, running_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace msim
