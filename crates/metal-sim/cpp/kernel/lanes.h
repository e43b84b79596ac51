// What kernels translated by plugin/lanes.cc do with the lanes of a simd-group beside
// arithmetic (lane.h): masks where branches part, memory, exchange.
#pragma once
#include "lane.h"

namespace msim {

// Which lanes take part.
struct Mask {
  Lane<bool> lanes;
  std::uint32_t bits;

  static Mask first(std::uint32_t count) {
    Mask m;
    m.lanes = count >= kLanes ? Lane<bool>(true) : lane_numbers() < static_cast<int>(count);
    m.bits = count >= kLanes ? ~0u : (1u << count) - 1;
    return m;
  }
  Mask with(const Lane<bool>& condition) const {
    Mask m;
    m.lanes = lanes & condition;
    m.bits = bits & condition.bits();
    return m;
  }
  bool any() const { return bits != 0; }
  bool all() const { return bits == ~0u; }
};

// `value` where lanes take part, `old` elsewhere.
template <class T>
inline void blend(Lane<T>& old, const Lane<T>& value, const Mask& m) {
#if defined(__AVX512BW__)
  if constexpr (sizeof(T) == 2) {
    __m512i mixed, made;
    __builtin_memcpy(&mixed, &old, sizeof mixed);
    __builtin_memcpy(&made, &value, sizeof made);
    mixed = _mm512_mask_blend_epi16(m.bits, mixed, made);
    __builtin_memcpy(static_cast<void*>(&old), &mixed, sizeof mixed);
    return;
  }
#endif
  if constexpr (sizeof(T) < 4 && !std::is_same_v<T, bool>) {
    Each<T> mixed(old);
    const Each<T> made(value);
    for (int i = 0; i < kLanes; ++i) {
      if ((m.bits >> i & 1u) != 0) mixed[i] = made[i];
    }
    old = mixed;
  } else if constexpr (sizeof(T) == 4 || std::is_same_v<T, bool>) {
    for (int k = 0; k < 2; ++k) old.c[k] = m.lanes.c[k] ? value.c[k] : old.c[k];
  } else {
    typedef long Wide __attribute__((vector_size(64)));
    typedef int Narrow __attribute__((vector_size(32)));
    for (int k = 0; k < 4; ++k) {
      Narrow part;
      __builtin_memcpy(&part, reinterpret_cast<const char*>(&m.lanes) + k * sizeof part, sizeof part);
      old.c[k] = __builtin_convertvector(part, Wide) ? value.c[k] : old.c[k];
    }
  }
}
template <class T, class U>
inline void assign(Lane<T>& old, const U& value, const Mask& m) {
  blend(old, spread<T>(value), m);
}

// `left && right` and `left || right` where the right side reads memory: it is asked of the
// lanes that the left side does not decide.
template <class L, class Right>
inline Lane<bool> lazily_and(const L& left, const Mask& m, Right right) {
  const Mask asked = m.with(spread<bool>(left));
  if (!asked.any()) return Lane<bool>(false);
  return asked.lanes & spread<bool>(right(asked));
}
template <class L, class Right>
inline Lane<bool> lazily_or(const L& left, const Mask& m, Right right) {
  const Lane<bool> settled = spread<bool>(left);
  const Mask asked = m.with(!settled);
  if (!asked.any()) return settled;
  return settled | (asked.lanes & spread<bool>(right(asked)));
}

// How the lanes' elements lie: one for all, side by side, within a vector's reach, or apart.
struct Pattern {
  enum Kind { kSame, kNext, kNear, kApart, kFar };
  std::int64_t base;  // the least index
  std::int64_t span;
  Kind kind;
  int stride = 0;  // of lanes that lie evenly apart
  Lane<int> offset;
  std::int64_t far[kLanes];  // offsets that need more than 32 bits

  inline Pattern(const Lane<long>& index, const Mask& m) {
    const long lead = index[__builtin_ctz(m.bits)];
    Lane<long> apart = index - lead;
    if (!m.all()) blend(apart, Lane<long>(0l), Mask{!m.lanes, ~m.bits});
    const Lane<int> near = convert<int>(apart);
    if ((convert<long>(near) != apart).bits() != 0) {
      beyond(apart, lead);
      return;
    }
    int least = 0, most = 0;
#if defined(__AVX512F__)
    const auto v = [&](int k) { return reinterpret_cast<__m512i>(near.c[k]); };
    least = _mm512_reduce_min_epi32(_mm512_min_epi32(v(0), v(1)));
    most = _mm512_reduce_max_epi32(_mm512_max_epi32(v(0), v(1)));
#else
    const Each<int> all(near);
    for (int i = 0; i < kLanes; ++i) {
      least = all[i] < least ? all[i] : least;
      most = all[i] > most ? all[i] : most;
    }
#endif
    base = lead + least;
    span = static_cast<std::int64_t>(most) - least;
    if (span > 0x7fffffff) {
      beyond(apart, lead);
      return;
    }
    offset = near - least;
    kind = span == 0 ? kSame
           : m.all() && span == kLanes - 1 && (offset == lane_numbers()).bits() == ~0u ? kNext
           : span < 16 ? kNear
                       : kApart;
    const int even = static_cast<int>(span / (kLanes - 1));
    if (m.all() && (offset == lane_numbers() * even).bits() == ~0u) stride = even;
  }
  __attribute__((noinline)) void beyond(const Lane<long>& apart, long lead) {
    const Each<long> all(apart);
    long least = 0, most = 0;
    for (int i = 0; i < kLanes; ++i) {
      least = all[i] < least ? all[i] : least;
      most = all[i] > most ? all[i] : most;
    }
    kind = kFar;
    base = lead + least;
    span = most - least;
    for (int i = 0; i < kLanes; ++i) far[i] = all[i] - least;
  }
  std::int64_t of(int lane) const { return kind == kFar ? far[lane] : offset[lane]; }
};

// A device buffer, or an array of the threadgroup.
template <class T>
struct View {
  T* data;
  T* end;
};

template <class T, class From>
inline View<T> as(const View<From>& from) {
  return {reinterpret_cast<T*>(from.data), reinterpret_cast<T*>(from.end)};
}

template <class T>
inline Lane<T> permuted(const T* at, const Lane<int>& offset) {
  Lane<T> r;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    const __m512i all = _mm512_loadu_si512(at);
    for (int k = 0; k < 2; ++k) {
      r.c[k] = reinterpret_cast<typename Lane<T>::Chunk>(
          _mm512_permutexvar_epi32(reinterpret_cast<__m512i>(offset.c[k]), all));
    }
    return r;
  }
  if constexpr (sizeof(T) == 2) {
    const __m512i all = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    for (int k = 0; k < 2; ++k) {
      r.c[k] = reinterpret_cast<typename Lane<T>::Chunk>(_mm512_cvtepi32_epi16(
          _mm512_permutexvar_epi32(reinterpret_cast<__m512i>(offset.c[k]), all)));
    }
    return r;
  }
#endif
  const Each<int> where(offset);
  Each<T> found;
  for (int i = 0; i < kLanes; ++i) found[i] = at[where[i]];
  return found;
}

// Elements that do not lie side by side.
template <class T>
__attribute__((noinline)) Lane<T> gathered(const View<T>& from, const T* at, const Pattern& p, const Mask& m) {
#if defined(__AVX512F__)
  Lane<T> r;
  if constexpr (sizeof(T) == 4) {
    if (m.all() && p.kind != Pattern::kFar) {
      for (int k = 0; k < 2; ++k) {
        r.c[k] = reinterpret_cast<typename Lane<T>::Chunk>(
            _mm512_i32gather_epi32(reinterpret_cast<__m512i>(p.offset.c[k]), at, 4));
      }
      return r;
    }
  }
  if constexpr (sizeof(T) == 2) {
    if (m.all() && p.kind != Pattern::kFar && at + p.span + 2 <= from.end) {
      for (int k = 0; k < 2; ++k) {
        r.c[k] = reinterpret_cast<typename Lane<T>::Chunk>(_mm512_cvtepi32_epi16(
            _mm512_i32gather_epi32(reinterpret_cast<__m512i>(p.offset.c[k]), at, 2)));
      }
      return r;
    }
  }
#endif
  Each<T> found{};
  for (std::uint32_t left = m.bits; left != 0; left &= left - 1) {
    const int i = __builtin_ctz(left);
    found[i] = at[p.of(i)];
  }
  return found;
}

template <class T>
inline Lane<T> load(const View<T>& from, std::int64_t begin, const Pattern& p, const Mask& m) {
  const T* at = from.data + (begin + p.base);
  if (p.kind == Pattern::kSame) return Lane<T>(*at);
  // More than the lanes ask for is read only where it is there.
  if (p.kind == Pattern::kNext && (m.all() || (at >= from.data && at + kLanes <= from.end))) {
    Lane<T> r;
    __builtin_memcpy(&r, at, sizeof r);
    return r;
  }
  if (p.kind == Pattern::kNear && at >= from.data && at + 16 <= from.end) return permuted(at, p.offset);
  return gathered(from, at, p, m);
}
template <class T>
inline T load(const View<T>& from, std::int64_t index) {
  return from.data[index];
}

template <class T, class U>
inline void store(const View<T>& to, std::int64_t begin, const Pattern& p, const U& value, const Mask& m) {
  T* at = to.data + (begin + p.base);
  const Lane<T> lanes = spread<T>(value);
  if (p.kind == Pattern::kNext && m.all()) {
    __builtin_memcpy(at, &lanes, sizeof lanes);
    return;
  }
  const Each<T> all(lanes);
  for (std::uint32_t left = m.bits; left != 0; left &= left - 1) {
    const int i = __builtin_ctz(left);
    at[p.of(i)] = all[i];
  }
}
// One place for all lanes: the last one's value stays.
template <class T, class U>
inline void store(const View<T>& to, std::int64_t index, const U& value, const Mask& m) {
  if constexpr (kIsLane<U>) {
    to.data[index] = static_cast<T>(value[31 - __builtin_clz(m.bits)]);
  } else {
    to.data[index] = static_cast<T>(value);
  }
}

// What `from` says for each lane, if that lane takes part; else the lane's own value.
template <class T, class From>
inline Lane<T> exchanged(const Lane<T>& value, const Mask& m, From from) {
  const Each<T> all(value);
  Each<T> r;
  for (int i = 0; i < kLanes; ++i) {
    const int source = from(i);
    r[i] = all[(m.bits >> source & 1u) != 0 ? source : i];
  }
  return r;
}
template <class V, class L>
inline auto lanes_shuffle(const V& v, const L& lane, const Mask& m) {
  const Each<int> wanted(spread<int>(lane));
  return exchanged(spread<Element<V>>(v), m, [&](int i) { return wanted[i] & 31; });
}
template <class V, class D>
inline auto lanes_shuffle_down(const V& v, const D& delta, const Mask& m) {
  using T = Element<V>;
  const Lane<T> value = spread<T>(v);
  if constexpr (!kIsLane<D> && (sizeof(T) == 4 || sizeof(T) == 2)) {
    if (m.all() && static_cast<std::uint32_t>(delta) < kLanes) {
      alignas(64) T moved[2 * kLanes];
      __builtin_memcpy(moved, &value, sizeof value);
      Lane<T> r;
      __builtin_memcpy(&r, moved + delta, sizeof r);
      const Lane<bool> beyond = lane_numbers() + static_cast<int>(delta) >= kLanes;
      blend(r, value, Mask{beyond, 0});
      return r;
    }
  }
  // Unsigned: of a lane that takes no part it may be any number.
  const Each<uint> by(spread<uint>(delta));
  return exchanged(value, m, [&](uint i) { return by[i] < kLanes - i ? i + by[i] : i; });
}
template <class V, class D>
inline auto lanes_shuffle_up(const V& v, const D& delta, const Mask& m) {
  const Each<uint> by(spread<uint>(delta));
  return exchanged(spread<Element<V>>(v), m, [&](uint i) { return by[i] <= i ? i - by[i] : i; });
}
template <class V, class D>
inline auto lanes_shuffle_xor(const V& v, const D& mask, const Mask& m) {
  const Each<int> by(spread<int>(mask));
  return exchanged(spread<Element<V>>(v), m, [&](int i) { return (i ^ by[i]) & 31; });
}

}  // namespace msim
