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
// Of a simd-group at once: 32 times as many values.
constexpr std::size_t kLanesStackBytes = 2048 * 1024 + 17 * 64;

// The runner whose fiber begins on this operating-system thread.
thread_local GroupRunner* current = nullptr;

}  // namespace

GroupRunner::GroupRunner() = default;

GroupRunner::~GroupRunner() {
  if (stacks_ != nullptr) munmap(stacks_, stacks_bytes_);
}

void GroupRunner::grow_stacks(std::size_t bytes) {
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
  reverse_ = Options::get().reverse;
  const std::uint32_t threads = launch.block[0] * launch.block[1] * launch.block[2];
  memory_.resize(launch.threadgroup_bytes + 16);
  std::copy_n(launch.grid, 3, group_.grid);
  std::copy_n(launch.block, 3, group_.block);
  group_.threads = threads;
  group_.buffers = launch.buffers.data();
  group_.constants = launch.constants;
  auto start = reinterpret_cast<std::uintptr_t>(memory_.data());
  group_.memory = memory_.data() + (16 - start % 16) % 16;
  group_.runner = this;
  group_.poison_lanes = guard;
  group_.wait = &GroupRunner::wait;
  group_.fault = &GroupRunner::fault;
  steps_.assign((threads + kSimdWidth - 1) / kSimdWidth, 0);
  group_.step = steps_.data();
  if (guard) touches_.resize(launch.threadgroup_bytes / kTouchBytes + 1);
  group_.touches = touches_.data();
  if (launch.lanes) {
    const std::uint32_t groups = (threads + kSimdWidth - 1) / kSimdWidth;
    positions_.assign(std::size_t{3} * groups * kSimdWidth, 0);
    group_.positions = positions_.data();
    group_.position_stride = groups * kSimdWidth;
    for (std::uint32_t t = 0; t < threads; ++t) {
      std::uint32_t at[3];
      position_of(t, at);
      for (int axis = 0; axis < 3; ++axis) positions_[axis * group_.position_stride + t] = at[axis];
    }
    threads_.resize(groups);
    if (launch.barriers && groups > 1) grow_stacks(groups * kLanesStackBytes);
    return;
  }
  if (!launch.fibers) return;
  publish_.resize(std::size_t{threads} * kExchangeBytes);
  shared_.resize(publish_.size());
  group_.publish = publish_.data();
  group_.shared = shared_.data();
  threads_.resize(threads);
  // Divisions, once instead of at every switch.
  for (std::uint32_t t = 0; t < threads; ++t) position_of(t, threads_[t].position);
  grow_stacks(threads * kStackBytes);
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
  if (launch_->lanes) {
    run_lanes();
  } else if (launch_->fibers) {
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

// One simd-group after the other; fibers only where they wait for each other.
void GroupRunner::run_lanes() {
  const auto groups = static_cast<std::uint32_t>(threads_.size());
  if (!launch_->barriers || groups == 1) {
    for (std::uint32_t n = 0; n < groups; ++n) {
      group_.linear = n * kSimdWidth;
      launch_->entry(&group_);
    }
    return;
  }
  for (std::uint32_t n = 0; n < groups; ++n) {
    threads_[n].wait = kReady;
    prepare_fiber(threads_[n].context, stacks_ + n * kLanesStackBytes, kLanesStackBytes,
                  &fiber_entry);
  }
  for (bool waits = true; waits;) {
    waits = false;
    for (std::uint32_t n = 0; n < groups; ++n) {
      if (threads_[n].wait == kDone) continue;
      threads_[n].wait = kReady;
      group_.linear = n * kSimdWidth;
      switch_fiber(scheduler_, threads_[n].context);
      waits = waits || threads_[n].wait != kDone;
    }
  }
}

void GroupRunner::run_simdgroup(std::uint32_t first) {
  const std::uint32_t end = std::min(first + kSimdWidth, group_.threads);
  first_ = first;
  end_ = end;
  do {
    // They hand over to each other; who comes back here found nobody.
    const std::uint32_t t = next_ready(0);
    if (t != end) {
      enter(t);
      switch_fiber(scheduler_, threads_[t].context);
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

// The first thread that may run, from the n-th of the simd-group on in the order that
// was chosen; `end_` if none may.
std::uint32_t GroupRunner::next_ready(std::uint32_t n) const {
  for (; n < end_ - first_; ++n) {
    const std::uint32_t t = reverse_ ? end_ - 1 - n : first_ + n;
    if (threads_[t].wait == kReady) return t;
  }
  return end_;
}

void GroupRunner::enter(std::uint32_t t) {
  group_.linear = t;
  group_.active = threads_[t].active;
  std::copy_n(threads_[t].position, 3, group_.thread);
}

// Thread `t` cannot go on: the next one that can does, or the scheduler.
void GroupRunner::leave(std::uint32_t t) {
  const std::uint32_t next =
      outcome_.fault ? end_ : next_ready((reverse_ ? end_ - 1 - t : t - first_) + 1);
  if (next == end_) return switch_fiber(threads_[t].context, scheduler_);
  enter(next);
  switch_fiber(threads_[t].context, threads_[next].context);
}

void GroupRunner::fiber_entry() {
  GroupRunner* self = current;
  self->launch_->entry(&self->group_);
  if (self->launch_->lanes) {
    Thread& ended = self->threads_[self->group_.linear / kSimdWidth];
    ended.wait = kDone;
    for (;;) switch_fiber(ended.context, self->scheduler_);
  }
  // `linear` is this fiber's own again: it was set before every switch to it.
  const std::uint32_t t = self->group_.linear;
  self->threads_[t].wait = kDone;
  for (;;) self->leave(t);
}

void GroupRunner::wait(Group* group, std::uint32_t wait, std::uint32_t site) {
  auto* self = static_cast<GroupRunner*>(group->runner);
  const std::uint32_t t = group->linear;
  if (self->launch_->lanes) {
    if (self->threads_.size() == 1) return;  // nobody to wait for
    Thread& one = self->threads_[t / kSimdWidth];
    one.wait = wait;
    switch_fiber(one.context, self->scheduler_);
    return;
  }
  self->threads_[t].wait = wait;
  self->threads_[t].site = site;
  self->leave(t);
}

void GroupRunner::fault(Group* group, const Fault& fault) {
  auto* self = static_cast<GroupRunner*>(group->runner);
  auto& place = fault.kind == kUninitialised ? self->outcome_.unwritten
                : fault.kind == kZeroDivisor ? self->outcome_.divided
                                             : self->outcome_.fault;
  if (place) return;
  FaultReport report{};
  report.fault = fault;
  std::copy_n(group->thread, 3, report.thread);
  std::copy_n(group->position, 3, report.group);
  self->position_of(fault.other_thread, report.other);
  place = report;
}

}  // namespace msim
