#include "launch.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

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
  Outcome outcome;
};

// With fast mathematics denormals are zero, on this thread and until it is done here.
class Denormals {
 public:
#if defined(__x86_64__)
  Denormals() : before_(_mm_getcsr()) {
    if (Options::get().arithmetic == "fast") _mm_setcsr(before_ | 0x8040);  // FTZ, DAZ
  }
  ~Denormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

void work(const Launch& launch, std::uint64_t groups, Progress& progress) {
  const Denormals denormals;
  thread_local GroupRunner runner;
  runner.begin(launch);
  const std::uint64_t row = launch.grid[0], slice = row * launch.grid[1];
  for (;;) {
    std::uint64_t at = progress.next.fetch_add(1, std::memory_order_relaxed);
    if (at >= groups || progress.stop.load(std::memory_order_relaxed)) return;
    const std::uint32_t position[3] = {static_cast<std::uint32_t>(at % row),
                                       static_cast<std::uint32_t>(at % slice / row),
                                       static_cast<std::uint32_t>(at / slice)};
    Outcome outcome = runner.run(position);
    if (!outcome.fault && !outcome.unwritten && !outcome.divided) continue;
    std::lock_guard lock(progress.mutex);
    if (!progress.outcome.fault) progress.outcome.fault = outcome.fault;
    if (!progress.outcome.unwritten) progress.outcome.unwritten = outcome.unwritten;
    if (!progress.outcome.divided) progress.outcome.divided = outcome.divided;
    if (outcome.fault) progress.stop = true;
  }
}

}  // namespace

Outcome run(const Launch& launch) {
  const std::uint64_t groups =
      std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  Progress progress;
  Workers::global().run(groups, [&] { work(launch, groups, progress); });
  return progress.outcome;
}

}  // namespace msim
