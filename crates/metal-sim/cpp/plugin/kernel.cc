#include "kernel.h"

#include <chrono>

#include "explain.h"
#include "last_words.h"

namespace msim {

Kernel::Kernel(std::string name, CompiledKernel compiled)
    : name_(std::move(name)), compiled_(std::move(compiled)), stats_(Report::global().add(name_)) {
  stats_->error = compiled_.error;
  stats_->cached = compiled_.cached;
  stats_->lanes = compiled_.translated.lanes;
}

std::string Kernel::run(BoundArguments& bound) const {
  const auto& kernel = compiled_.translated;
  if (compiled_.entry == nullptr) {
    return "metal-sim: kernel `" + name_ + "` cannot be simulated: " + compiled_.error;
  }
  Launch& launch = bound.launch;
  launch.entry = compiled_.entry;
  launch.fibers = kernel.fibers;
  launch.lanes = kernel.lanes;
  launch.barriers = kernel.barriers;
  launch.threadgroup_bytes = kernel.threadgroup_bytes;
  auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  {
    LastWords words(name_);
    outcome = msim::run(launch);
  }
  auto spent = std::chrono::steady_clock::now() - start;
  {
    std::lock_guard lock(Report::global().mutex());
    ++stats_->calls;
    if (outcome.unwritten && stats_->unwritten.empty()) {
      stats_->unwritten = describe(kernel, bound, *outcome.unwritten);
    }
    if (outcome.divided && stats_->divided.empty()) {
      stats_->divided = describe(kernel, bound, *outcome.divided);
    }
    stats_->threadgroups += std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
    stats_->nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
  }
  if (outcome.fault) return explain(name_, kernel, bound, outcome);
  for (std::size_t i = 0; i < bound.allocations.size(); ++i) {
    if (bound.written[i] != 0) bound.allocations[i]->last_writer = name_;
  }
  return {};
}

}  // namespace msim
