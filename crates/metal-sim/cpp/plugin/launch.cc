#include "launch.h"

#include <atomic>
#include <cstring>
#include <mutex>

#include "group.h"
#include "options.h"
#include "workers.h"

namespace msim {
namespace {

// Shared by the workers of one launch.
struct Progress {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::optional<FaultReport> fault;
};

void work(const Launch& launch, std::uint64_t groups, Progress& progress) {
  thread_local GroupRunner runner;
  runner.begin(launch);
  const std::uint64_t row = launch.grid[0], slice = row * launch.grid[1];
  for (;;) {
    std::uint64_t at = progress.next.fetch_add(1, std::memory_order_relaxed);
    if (at >= groups || progress.stop.load(std::memory_order_relaxed)) return;
    const std::uint32_t position[3] = {static_cast<std::uint32_t>(at % row),
                                       static_cast<std::uint32_t>(at % slice / row),
                                       static_cast<std::uint32_t>(at / slice)};
    if (auto fault = runner.run(position)) {
      std::lock_guard lock(progress.mutex);
      if (!progress.fault) progress.fault = fault;
      progress.stop = true;
    }
  }
}

}  // namespace

std::optional<FaultReport> run(const Launch& launch) {
  const std::uint64_t groups =
      std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  Progress progress;
  Workers::global().run(groups, [&] { work(launch, groups, progress); });
  return progress.fault;
}

}  // namespace msim
