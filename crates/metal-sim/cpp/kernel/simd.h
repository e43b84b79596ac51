// Barriers and simd-group operations. Each is a point where the running thread
// (a fiber) hands over to the scheduler until the others have arrived.
//
// The translated kernel has the hidden parameter `msim_group`; the macros at the
// end pass it on, with the line as the identity of the call site.
#pragma once
#include "abi.h"
#include "math.h"

namespace metal {

enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_device_and_threadgroup = 3,
};
inline mem_flags operator|(mem_flags a, mem_flags b) {
  return static_cast<mem_flags>(static_cast<uint>(a) | static_cast<uint>(b));
}

}  // namespace metal

namespace msim {

inline void threadgroup_wait(Group* group, metal::mem_flags, std::uint32_t site) {
  group->wait(group, kBarrier, site);
}

inline void simdgroup_wait(Group* group, metal::mem_flags, std::uint32_t site) {
  group->wait(group, kSimdBarrier, site);
}

// The lanes of a simd-group execute together: all have read before one writes.
// Kernels that update a buffer in place rely on that.
inline void lock_step(Group* group, std::uint32_t site) { group->wait(group, kLockStep, site); }

// One round of exchange. The scheduler takes a copy of what all lanes published,
// so that a thread may go on and publish again while slower lanes still read.
template <class T>
struct Round {
  Group* group;
  std::uint32_t linear, first, lanes, active;

  Round(Group* g, const T& value, std::uint32_t site, Wait kind = kSimd)
      : group(g), linear(g->linear) {
    static_assert(sizeof(T) <= kExchangeBytes, "value too large for a simd-group operation");
    __builtin_memcpy(g->publish + std::size_t{linear} * kExchangeBytes, &value, sizeof value);
    g->wait(g, kind, site);
    first = linear / kSimdWidth * kSimdWidth;
    lanes = g->threads - first < kSimdWidth ? g->threads - first : kSimdWidth;
    active = g->active;
  }
  std::uint32_t lane() const { return linear - first; }
  bool takes_part(std::uint32_t l) const { return l < lanes && (active >> l & 1u) != 0; }
  T read(std::uint32_t l) const {
    T value;
    __builtin_memcpy(static_cast<void*>(&value),
                     group->shared + std::size_t{first + l} * kExchangeBytes, sizeof value);
    return value;
  }
  // A lane that is not there: undefined on a GPU.
  T undefined() const {
    if (!group->poison_lanes) return read(lane());
    T value;
    __builtin_memset(static_cast<void*>(&value), 0xff, sizeof value);
    return value;
  }
  T from(std::uint32_t l) const { return takes_part(l) ? read(l) : undefined(); }
};

// The operations below stay within `width` lanes side by side: those of the
// simd-group, or the four of a quad-group.
template <class T>
inline T shuffle(Group* g, T value, std::uint32_t lane, std::uint32_t width, std::uint32_t site) {
  Round<T> round(g, value, site);
  return round.from(round.lane() / width * width + lane % width);
}
template <class T>
inline T shuffle_down(Group* g, T value, std::uint32_t delta, std::uint32_t width, std::uint32_t site) {
  Round<T> round(g, value, site);
  return round.lane() % width + delta < width ? round.from(round.lane() + delta) : value;
}
template <class T>
inline T shuffle_up(Group* g, T value, std::uint32_t delta, std::uint32_t width, std::uint32_t site) {
  Round<T> round(g, value, site);
  return delta <= round.lane() % width ? round.from(round.lane() - delta) : value;
}
template <class T>
inline T shuffle_xor(Group* g, T value, std::uint32_t mask, std::uint32_t width, std::uint32_t site) {
  Round<T> round(g, value, site);
  return round.from(round.lane() ^ mask % width);
}
template <class T, class Combine>
inline T reduce(Group* g, T value, std::uint32_t width, std::uint32_t site, Combine combine) {
  Round<T> round(g, value, site);
  bool first = true;
  T result = value;
  const std::uint32_t start = round.lane() / width * width;
  for (std::uint32_t lane = start; lane < start + width; ++lane) {
    if (!round.takes_part(lane)) continue;
    result = first ? round.read(lane) : static_cast<T>(combine(result, round.read(lane)));
    first = false;
  }
  return result;
}

}  // namespace msim

#define threadgroup_barrier(flags) msim::threadgroup_wait(msim_group, flags, __LINE__)
#define simdgroup_barrier(flags) msim::simdgroup_wait(msim_group, flags, __LINE__)
#define simd_shuffle(v, lane) msim::shuffle(msim_group, v, lane, msim::kSimdWidth, __LINE__)
#define simd_broadcast(v, lane) msim::shuffle(msim_group, v, lane, msim::kSimdWidth, __LINE__)
#define simd_shuffle_down(v, delta) msim::shuffle_down(msim_group, v, delta, msim::kSimdWidth, __LINE__)
#define simd_shuffle_up(v, delta) msim::shuffle_up(msim_group, v, delta, msim::kSimdWidth, __LINE__)
#define simd_shuffle_xor(v, mask) msim::shuffle_xor(msim_group, v, mask, msim::kSimdWidth, __LINE__)
#define quad_shuffle(v, lane) msim::shuffle(msim_group, v, lane, msim::kQuadWidth, __LINE__)
#define quad_broadcast(v, lane) msim::shuffle(msim_group, v, lane, msim::kQuadWidth, __LINE__)
#define quad_shuffle_down(v, delta) msim::shuffle_down(msim_group, v, delta, msim::kQuadWidth, __LINE__)
#define quad_shuffle_up(v, delta) msim::shuffle_up(msim_group, v, delta, msim::kQuadWidth, __LINE__)
#define quad_shuffle_xor(v, mask) msim::shuffle_xor(msim_group, v, mask, msim::kQuadWidth, __LINE__)

#define MSIM_REDUCE(v, width, expression) \
  msim::reduce(msim_group, v, width, __LINE__, [](auto a, auto b) { return expression; })
#define simd_broadcast_first(v) MSIM_REDUCE(v, msim::kSimdWidth, (static_cast<void>(b), a))
#define simd_sum(v) MSIM_REDUCE(v, msim::kSimdWidth, a + b)
#define simd_product(v) MSIM_REDUCE(v, msim::kSimdWidth, a* b)
#define simd_max(v) MSIM_REDUCE(v, msim::kSimdWidth, metal::max(a, b))
#define simd_min(v) MSIM_REDUCE(v, msim::kSimdWidth, metal::min(a, b))
#define simd_and(v) MSIM_REDUCE(v, msim::kSimdWidth, a& b)
#define simd_or(v) MSIM_REDUCE(v, msim::kSimdWidth, a | b)
#define simd_xor(v) MSIM_REDUCE(v, msim::kSimdWidth, a ^ b)
#define simd_any(v) MSIM_REDUCE(static_cast<bool>(v), msim::kSimdWidth, a || b)
#define simd_all(v) MSIM_REDUCE(static_cast<bool>(v), msim::kSimdWidth, a && b)
#define quad_broadcast_first(v) MSIM_REDUCE(v, msim::kQuadWidth, (static_cast<void>(b), a))
#define quad_sum(v) MSIM_REDUCE(v, msim::kQuadWidth, a + b)
#define quad_product(v) MSIM_REDUCE(v, msim::kQuadWidth, a* b)
#define quad_max(v) MSIM_REDUCE(v, msim::kQuadWidth, metal::max(a, b))
#define quad_min(v) MSIM_REDUCE(v, msim::kQuadWidth, metal::min(a, b))
#define quad_and(v) MSIM_REDUCE(v, msim::kQuadWidth, a& b)
#define quad_or(v) MSIM_REDUCE(v, msim::kQuadWidth, a | b)
#define quad_xor(v) MSIM_REDUCE(v, msim::kQuadWidth, a ^ b)
#define quad_any(v) MSIM_REDUCE(static_cast<bool>(v), msim::kQuadWidth, a || b)
#define quad_all(v) MSIM_REDUCE(static_cast<bool>(v), msim::kQuadWidth, a && b)
