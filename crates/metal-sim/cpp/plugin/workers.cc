#include "workers.h"

#include <algorithm>

#include "options.h"

namespace msim {

Workers& Workers::global() {
  // Never destroyed: the process may end while workers wait.
  static auto* workers = [] {
    unsigned count = Options::get().threads;
    if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
    return new Workers(std::min(count, 64u) - 1);
  }();
  return *workers;
}

Workers::Workers(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this] { loop(); });
    threads_.back().detach();
  }
}

void Workers::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    start_.wait(lock, [this] { return wanted_ > 0; });
    --wanted_;
    ++running_;
    const auto* job = job_;
    lock.unlock();
    (*job)();
    lock.lock();
    if (--running_ == 0) done_.notify_all();
  }
}

void Workers::run(std::uint64_t pieces, const std::function<void()>& job) {
  std::lock_guard launch(one_launch_);
  unsigned helpers =
      static_cast<unsigned>(std::min<std::uint64_t>(threads_.size(), pieces > 0 ? pieces - 1 : 0));
  if (helpers > 0) {
    std::lock_guard lock(mutex_);
    job_ = &job;
    wanted_ = helpers;
    start_.notify_all();
  }
  job();
  std::unique_lock lock(mutex_);
  wanted_ = 0;  // helpers that have not woken up are no longer needed
  done_.wait(lock, [this] { return running_ == 0; });
}

}  // namespace msim
