#include "group.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "options.h"

namespace msim {
namespace {

// Not a power of two: the stacks' ends, where all the work is, would share a few sets
// of the processor's caches, and every switch would miss them.
constexpr std::size_t kStackBytes = 128 * 1024 + 17 * 64;

// The runner whose fibers are on this operating-system thread.
thread_local GroupRunner* current = nullptr;

}  // namespace

GroupRunner::GroupRunner() = default;

GroupRunner::~GroupRunner() {
  if (stacks_ != nullptr) munmap(stacks_, stacks_bytes_);
}

void GroupRunner::grow_stacks(std::uint32_t threads) {
  std::size_t bytes = threads * kStackBytes;
  if (bytes <= stacks_bytes_) return;
  if (stacks_ != nullptr) munmap(stacks_, stacks_bytes_);
  stacks_ = nullptr;
  stacks_bytes_ = 0;
  void* stacks = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) throw std::bad_alloc();
  stacks_ = static_cast<unsigned char*>(stacks);
  stacks_bytes_ = bytes;
}

void GroupRunner::begin(const Launch& launch) {
  launch_ = &launch;
  const bool guard = Options::get().guard;
  const std::uint32_t threads = launch.block[0] * launch.block[1] * launch.block[2];
  memory_.resize(launch.threadgroup_bytes + 16);
  std::copy_n(launch.grid, 3, group_.grid);
  std::copy_n(launch.block, 3, group_.block);
  group_.threads = threads;
  group_.buffers = launch.buffers.data();
  group_.constants = launch.constants;
  auto start = reinterpret_cast<std::uintptr_t>(memory_.data());
  group_.memory = memory_.data() + (16 - start % 16) % 16;
  group_.poison_lanes = guard;
  group_.wait = &GroupRunner::wait;
  group_.fault = &GroupRunner::fault;
  steps_.assign((threads + kSimdWidth - 1) / kSimdWidth, 0);
  group_.step = steps_.data();
  if (guard) touches_.resize(launch.threadgroup_bytes / kTouchBytes + 1);
  group_.touches = touches_.data();
  if (!launch.fibers) return;
  publish_.resize(std::size_t{threads} * kExchangeBytes);
  shared_.resize(publish_.size());
  group_.publish = publish_.data();
  group_.shared = shared_.data();
  threads_.resize(threads);
  grow_stacks(threads);
}

Outcome GroupRunner::run(const std::uint32_t (&position)[3]) {
  current = this;
  outcome_ = {};
  std::copy_n(position, 3, group_.position);
  group_.epoch = 1;
  if (Options::get().guard) {
    std::memset(memory_.data(), 0xff, memory_.size());
    std::fill(touches_.begin(), touches_.end(), Touch{});
  }
  if (launch_->fibers) {
    run_fibers();
  } else {
    launch_->entry(&group_);
  }
  return outcome_;
}

void GroupRunner::run_fibers() {
  for (std::uint32_t t = 0; t < group_.threads; ++t) {
    threads_[t].wait = kReady;
    prepare_fiber(threads_[t].context, stacks_ + t * kStackBytes, kStackBytes, &fiber_entry);
  }
  do {
    for (std::uint32_t first = 0; first < group_.threads && !outcome_.fault; first += kSimdWidth) {
      run_simdgroup(first);
    }
  } while (!outcome_.fault && release_barrier());
}

void GroupRunner::run_simdgroup(std::uint32_t first) {
  const std::uint32_t end = std::min(first + kSimdWidth, group_.threads);
  const bool reverse = Options::get().reverse;
  do {
    for (std::uint32_t i = first; i < end && !outcome_.fault; ++i) {
      std::uint32_t t = reverse ? end - 1 - (i - first) : i;
      if (threads_[t].wait == kReady) resume(t);
    }
  } while (!outcome_.fault && release_simdgroup(first, end));
}

// Lets the lanes go that wait at the same simd-group operation. Lanes elsewhere
// (finished, or in another branch) do not take part.
bool GroupRunner::release_simdgroup(std::uint32_t first, std::uint32_t end) {
  auto waits = [&](std::uint32_t t) {
    const auto wait = threads_[t].wait;
    return wait == kSimd || wait == kSimdBarrier || wait == kLockStep || wait == kMatrix;
  };
  std::uint32_t lead = first;
  while (lead < end && !waits(lead)) ++lead;
  if (lead == end) return false;
  const std::uint32_t kind = threads_[lead].wait, site = threads_[lead].site;
  std::uint32_t active = 0;
  for (std::uint32_t t = lead; t < end; ++t) {
    if (threads_[t].wait == kind && threads_[t].site == site) active |= 1u << (t - first);
  }
  // Undefined on a GPU; without guard mode the lanes that are there go on.
  if (kind == kMatrix && active != ~0u && Options::get().guard) {
    Fault f{};
    f.kind = kPartialMatrix;
    f.index = site;
    f.length = static_cast<std::uint64_t>(std::popcount(active));
    stop_at(lead, f);
    return false;
  }
  for (std::uint32_t t = lead; t < end; ++t) {
    if ((active >> (t - first) & 1u) == 0) continue;
    threads_[t].wait = kReady;
    threads_[t].active = active;
  }
  if (kind == kLockStep) return true;
  std::memcpy(shared_.data() + std::size_t{first} * kExchangeBytes,
              publish_.data() + std::size_t{first} * kExchangeBytes,
              std::size_t{end - first} * kExchangeBytes);
  ++steps_[first / kSimdWidth];
  return true;
}

// Lets all threads go on from a threadgroup barrier; false when all have finished.
bool GroupRunner::release_barrier() {
  std::uint32_t waiting = 0, lead = 0, odd = 0;
  for (std::uint32_t t = 0; t < group_.threads; ++t) {
    if (threads_[t].wait == kBarrier && waiting++ == 0) lead = t;
  }
  if (waiting == 0) return false;
  bool divergent = false;
  for (std::uint32_t t = 0; t < group_.threads; ++t) {
    if (threads_[t].wait != kBarrier || threads_[t].site != threads_[lead].site) {
      divergent = true;
      odd = t;
    }
  }
  // A GPU's answer is undefined; without guard mode the waiting threads go on.
  if (divergent && Options::get().guard) {
    Fault f{};
    f.kind = kDivergentBarrier;
    f.index = threads_[lead].site;
    f.other_thread = odd;
    stop_at(lead, f);
    return false;
  }
  for (auto& t : threads_) {
    if (t.wait == kBarrier) t.wait = kReady;
  }
  ++group_.epoch;
  return true;
}

void GroupRunner::stop_at(std::uint32_t t, const Fault& f) {
  group_.linear = t;
  position_of(t, group_.thread);
  fault(&group_, f);
}

void GroupRunner::position_of(std::uint32_t t, std::uint32_t (&out)[3]) const {
  out[0] = t % group_.block[0];
  out[1] = t / group_.block[0] % group_.block[1];
  out[2] = t / group_.block[0] / group_.block[1];
}

void GroupRunner::resume(std::uint32_t t) {
  group_.linear = t;
  group_.active = threads_[t].active;
  position_of(t, group_.thread);
  switch_fiber(scheduler_, threads_[t].context);
}

void GroupRunner::fiber_entry() {
  GroupRunner* self = current;
  self->launch_->entry(&self->group_);
  // `linear` is this fiber's own again: the scheduler set it before every resume.
  Thread& thread = self->threads_[self->group_.linear];
  thread.wait = kDone;
  for (;;) switch_fiber(thread.context, self->scheduler_);
}

void GroupRunner::wait(Group* group, std::uint32_t wait, std::uint32_t site) {
  GroupRunner* self = current;
  Thread& thread = self->threads_[group->linear];
  thread.wait = wait;
  thread.site = site;
  switch_fiber(thread.context, self->scheduler_);
}

void GroupRunner::fault(Group* group, const Fault& fault) {
  GroupRunner* self = current;
  auto& place = fault.kind == kUninitialised ? self->outcome_.unwritten : self->outcome_.fault;
  if (place) return;
  FaultReport report{};
  report.fault = fault;
  std::copy_n(group->thread, 3, report.thread);
  std::copy_n(group->position, 3, report.group);
  self->position_of(fault.other_thread, report.other);
  place = report;
}

}  // namespace msim
