// The 32 lanes of a simd-group as vectors: what kernels translated by plugin/lanes.cc
// compute with. A value is either the same in all lanes, then it is a plain scalar, or a
// `Lane<T>`. Lanes that do not take part are masked where memory is touched and where
// branches part; each lane's arithmetic rounds as it does when it runs alone.
#pragma once
#include <type_traits>
#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

#include "matrix.h"

// A call would pass lanes through memory.
#define MSIM_INLINE inline __attribute__((always_inline))

namespace msim {

constexpr int kLanes = 32;


template <class T>
struct Lane {
  static constexpr int kWidth = sizeof(T) == 8 ? 8 : 16;
  static constexpr int kChunks = kLanes / kWidth;
  typedef T Chunk __attribute__((vector_size(kWidth * sizeof(T))));
  Chunk c[kChunks];

  Lane() = default;
  Lane(T all) {
    for (auto& chunk : c) chunk = Chunk{} + all;
  }
  T operator[](int i) const { return c[i / kWidth][i % kWidth]; }
};

// The lanes as an array, for what is done one by one.
template <class T>
struct Each {
  alignas(64) T at[kLanes];

  Each() = default;
  Each(const Lane<T>& lanes) { __builtin_memcpy(at, &lanes, sizeof at); }
  T& operator[](int i) { return at[i]; }
  T operator[](int i) const { return at[i]; }
  operator Lane<T>() const {
    Lane<T> lanes;
    __builtin_memcpy(&lanes, at, sizeof at);
    return lanes;
  }
};

MSIM_INLINE Lane<int> lane_numbers() {
  Lane<int> r;
  for (int k = 0; k < 2; ++k) {
    r.c[k] = Lane<int>::Chunk{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + 16 * k;
  }
  return r;
}

template <>
MSIM_INLINE Lane<half>::Lane(half all) {
  for (auto& chunk : c) {
    for (int i = 0; i < kWidth; ++i) chunk[i] = all;
  }
}

// True lanes have all bits set.
template <>
struct Lane<bool> {
  typedef int Chunk __attribute__((vector_size(64)));
  Chunk c[2];

  Lane() = default;
  Lane(bool all) {
    for (auto& chunk : c) chunk = Chunk{} - static_cast<int>(all);
  }
  bool operator[](int i) const { return c[i / 16][i % 16] != 0; }
  std::uint32_t bits() const {
#if defined(__AVX512DQ__)
    return static_cast<std::uint32_t>(_mm512_movepi32_mask(reinterpret_cast<__m512i>(c[0]))) |
           static_cast<std::uint32_t>(_mm512_movepi32_mask(reinterpret_cast<__m512i>(c[1]))) << 16;
#else
    std::uint32_t found = 0;
    for (int i = 0; i < kLanes; ++i) found |= static_cast<std::uint32_t>(c[i / 16][i % 16] & 1) << i;
    return found;
#endif
  }
};

template <class T>
struct ElementOf {
  using Type = T;
};
template <class T>
struct ElementOf<Lane<T>> {
  using Type = T;
};
template <class T>
using Element = typename ElementOf<T>::Type;
template <class T>
constexpr bool kIsLane = !std::is_same_v<Element<T>, T>;
template <class... T>
concept Varying = (kIsLane<T> || ...);

MSIM_INLINE Lane<float> widened(const Lane<half>& a) {
  Lane<float> r;
  for (int k = 0; k < 2; ++k) {
#if defined(__AVX512F__)
    r.c[k] = reinterpret_cast<Lane<float>::Chunk>(_mm512_cvtph_ps(reinterpret_cast<__m256i>(a.c[k])));
#elif defined(__F16C__)
    __m128i parts[2];
    __builtin_memcpy(parts, &a.c[k], sizeof parts);
    const __m256 wide[2] = {_mm256_cvtph_ps(parts[0]), _mm256_cvtph_ps(parts[1])};
    __builtin_memcpy(&r.c[k], wide, sizeof wide);
#else
    for (int i = 0; i < 16; ++i) r.c[k][i] = static_cast<float>(a.c[k][i]);
#endif
  }
  return r;
}
MSIM_INLINE Lane<half> narrowed(const Lane<float>& a) {
  Lane<half> r;
  for (int k = 0; k < 2; ++k) {
#if defined(__AVX512F__)
    r.c[k] = reinterpret_cast<Lane<half>::Chunk>(
        _mm512_cvtps_ph(reinterpret_cast<__m512>(a.c[k]), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__F16C__)
    __m256 parts[2];
    __builtin_memcpy(parts, &a.c[k], sizeof parts);
    const __m128i packed[2] = {_mm256_cvtps_ph(parts[0], 0), _mm256_cvtps_ph(parts[1], 0)};
    __builtin_memcpy(&r.c[k], packed, sizeof packed);
#else
    for (int i = 0; i < 16; ++i) r.c[k][i] = static_cast<half>(a.c[k][i]);
#endif
  }
  return r;
}

template <class To, class From>
MSIM_INLINE Lane<To> convert(const Lane<From>& a) {
  if constexpr (std::is_same_v<To, From>) {
    return a;
  } else if constexpr (std::is_same_v<From, half> && std::is_same_v<To, float>) {
    return widened(a);
  } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, half>) {
    return narrowed(a);
  } else if constexpr (std::is_same_v<From, bool>) {
    Lane<int> ones;
    for (int k = 0; k < 2; ++k) ones.c[k] = a.c[k] & 1;
    return convert<To>(ones);
  } else if constexpr (std::is_same_v<To, bool>) {
    return a != Lane<From>(static_cast<From>(0));
  } else if constexpr (std::is_same_v<To, half> && sizeof(From) <= 2) {
    return narrowed(convert<float>(a));  // exact in float, so rounded once
  } else if constexpr (std::is_same_v<From, half>) {
    return convert<To>(widened(a));
  } else if constexpr (std::is_same_v<To, half>) {
    // Through float twice rounded only where an integer needs more than 24 bits; such a
    // number is infinite as a half.
    return narrowed(convert<float>(a));
  } else {
    constexpr int kPart = Lane<From>::kWidth < Lane<To>::kWidth ? Lane<From>::kWidth : Lane<To>::kWidth;
    typedef From Source __attribute__((vector_size(kPart * sizeof(From))));
    typedef To Target __attribute__((vector_size(kPart * sizeof(To))));
    Lane<To> r;
    for (int k = 0; k < kLanes / kPart; ++k) {
      Source part;
      __builtin_memcpy(&part, reinterpret_cast<const char*>(&a) + k * sizeof part, sizeof part);
      const Target made = __builtin_convertvector(part, Target);
      __builtin_memcpy(reinterpret_cast<char*>(&r) + k * sizeof made, &made, sizeof made);
    }
    return r;
  }
}

// A cast of the source.
template <class To, class From>
MSIM_INLINE auto to(const From& a) {
  if constexpr (kIsLane<From>) {
    return convert<To>(a);
  } else {
    return static_cast<To>(a);
  }
}
template <class To, class From>
MSIM_INLINE Lane<To> spread(const From& a) {
  if constexpr (kIsLane<From>) {
    return convert<To>(a);
  } else {
    return Lane<To>(static_cast<To>(a));
  }
}

// Operands in the type that C++ gives the operation on their elements.
template <class A, class B>
using Common = decltype(Element<A>() + Element<B>());

#if defined(__AVX512FP16__)
#define MSIM_HALVES(op) \
  for (int k = 0; k < Lane<T>::kChunks; ++k) r.c[k] = x.c[k] op y.c[k];
#else
#define MSIM_HALVES(op)                                            \
  if constexpr (std::is_same_v<T, half>) {                         \
    const Lane<float> wide_x = widened(x), wide_y = widened(y);    \
    Lane<float> wide;                                              \
    for (int k = 0; k < 2; ++k) wide.c[k] = wide_x.c[k] op wide_y.c[k]; \
    return narrowed(wide);                                         \
  } else {                                                         \
    for (int k = 0; k < Lane<T>::kChunks; ++k) r.c[k] = x.c[k] op y.c[k]; \
  }
#endif
#define MSIM_LANES(op)                                             \
  template <class A, class B>                                      \
    requires Varying<A, B>                                         \
  MSIM_INLINE auto operator op(const A& a, const B& b) {                \
    using T = Common<A, B>;                                        \
    const Lane<T> x = spread<T>(a), y = spread<T>(b);              \
    Lane<T> r;                                                     \
    MSIM_HALVES(op)                                                \
    return r;                                                      \
  }
MSIM_LANES(+)
MSIM_LANES(-)
MSIM_LANES(*)
MSIM_LANES(/)
#undef MSIM_LANES
#undef MSIM_HALVES
#define MSIM_LANES(op)                                                        \
  template <class A, class B>                                                 \
    requires Varying<A, B>                                                    \
  MSIM_INLINE auto operator op(const A& a, const B& b) {                           \
    if constexpr (std::is_same_v<Element<A>, bool> && std::is_same_v<Element<B>, bool>) { \
      const Lane<bool> x = spread<bool>(a), y = spread<bool>(b);              \
      Lane<bool> r;                                                           \
      for (int k = 0; k < 2; ++k) r.c[k] = x.c[k] op y.c[k];                  \
      return r;                                                               \
    } else {                                                                  \
      using T = Common<A, B>;                                                 \
      const Lane<T> x = spread<T>(a), y = spread<T>(b);                       \
      Lane<T> r;                                                              \
      for (int k = 0; k < Lane<T>::kChunks; ++k) r.c[k] = x.c[k] op y.c[k];   \
      return r;                                                               \
    }                                                                         \
  }
MSIM_LANES(&)
MSIM_LANES(|)
MSIM_LANES(^)
#undef MSIM_LANES
#define MSIM_LANES(op)                                                        \
  template <class A, class B>                                                 \
    requires Varying<A, B>                                                    \
  MSIM_INLINE auto operator op(const A& a, const B& b) {                           \
    using T = decltype(Element<A>() op Element<B>());                         \
    const Lane<T> x = spread<T>(a), y = spread<T>(b);                         \
    Lane<T> r;                                                                \
    for (int k = 0; k < Lane<T>::kChunks; ++k) r.c[k] = x.c[k] op y.c[k];     \
    return r;                                                                 \
  }
MSIM_LANES(%)
MSIM_LANES(<<)
MSIM_LANES(>>)
#undef MSIM_LANES
#define MSIM_LANES(op)                                                        \
  template <class A, class B>                                                 \
    requires Varying<A, B>                                                    \
  MSIM_INLINE Lane<bool> operator op(const A& a, const B& b) {                     \
    using Same = Common<A, B>;                                                \
    using T = std::conditional_t<std::is_same_v<Same, half>, float, Same>;    \
    const Lane<T> x = spread<T>(a), y = spread<T>(b);                         \
    Lane<bool> r;                                                             \
    if constexpr (sizeof(T) == 4) {                                           \
      for (int k = 0; k < 2; ++k) r.c[k] = x.c[k] op y.c[k];                  \
    } else {                                                                  \
      typedef int Part __attribute__((vector_size(4 * Lane<T>::kWidth)));     \
      for (int k = 0; k < Lane<T>::kChunks; ++k) {                            \
        const Part part = __builtin_convertvector(x.c[k] op y.c[k], Part);    \
        __builtin_memcpy(reinterpret_cast<char*>(&r) + k * sizeof part, &part, sizeof part); \
      }                                                                       \
    }                                                                         \
    return r;                                                                 \
  }
MSIM_LANES(<)
MSIM_LANES(<=)
MSIM_LANES(>)
MSIM_LANES(>=)
MSIM_LANES(==)
MSIM_LANES(!=)
#undef MSIM_LANES

template <class A, class B>
  requires Varying<A, B>
MSIM_INLINE Lane<bool> operator&&(const A& a, const B& b) {
  return spread<bool>(a) & spread<bool>(b);
}
template <class A, class B>
  requires Varying<A, B>
MSIM_INLINE Lane<bool> operator||(const A& a, const B& b) {
  return spread<bool>(a) | spread<bool>(b);
}
template <class T>
MSIM_INLINE Lane<bool> operator!(const Lane<T>& a) {
  return spread<bool>(a) ^ Lane<bool>(true);
}
template <class T>
MSIM_INLINE auto operator-(const Lane<T>& a) {
  using Promoted = decltype(-T());
  if constexpr (std::is_same_v<T, half>) {
    typedef unsigned short Bits __attribute__((vector_size(32)));
    Lane<half> r;
    for (int k = 0; k < 2; ++k) {
      r.c[k] = reinterpret_cast<Lane<half>::Chunk>(reinterpret_cast<Bits>(a.c[k]) ^ static_cast<unsigned short>(0x8000));
    }
    return r;
  } else {
    Lane<Promoted> r = convert<Promoted>(a);
    for (auto& chunk : r.c) chunk = -chunk;
    return r;
  }
}
template <class T>
MSIM_INLINE Lane<decltype(~T())> operator~(const Lane<T>& a) {
  auto r = convert<decltype(~T())>(a);
  for (auto& chunk : r.c) chunk = ~chunk;
  return r;
}

template <class A>
MSIM_INLINE auto one_by_one(const A& a) {
  if constexpr (std::is_same_v<A, Lane<bool>>) {
    return Each<int>(convert<int>(a));
  } else if constexpr (kIsLane<A>) {
    return Each<Element<A>>(a);
  } else {
    return a;
  }
}
template <class T>
MSIM_INLINE T one_of(const Each<T>& all, int i) {
  return all[i];
}
template <class T>
MSIM_INLINE T one_of(const T& same, int) {
  return same;
}
template <class F, class... A>
MSIM_INLINE auto each_of(F f, const A&... a) {
  using T = decltype(f(one_of(a, 0)...));
  if constexpr (std::is_same_v<T, bool>) {
    Each<int> r;
    for (int i = 0; i < kLanes; ++i) r[i] = f(one_of(a, i)...);
    return convert<bool>(static_cast<Lane<int>>(r));
  } else {
    Each<T> r;
    for (int i = 0; i < kLanes; ++i) r[i] = f(one_of(a, i)...);
    return static_cast<Lane<T>>(r);
  }
}

// A function of the library, lane by lane.
template <class F, class... A>
MSIM_INLINE auto each(F f, const A&... a) {
  return each_of(f, one_by_one(a)...);
}

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
MSIM_INLINE void blend(Lane<T>& old, const Lane<T>& value, const Mask& m) {
  if constexpr (sizeof(T) < 4) {
    Each<T> mixed(old);
    const Each<T> made(value);
    for (int i = 0; i < kLanes; ++i) {
      if ((m.bits >> i & 1u) != 0) mixed[i] = made[i];
    }
    old = mixed;
  } else if constexpr (sizeof(T) == 4) {
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
MSIM_INLINE void assign(Lane<T>& old, const U& value, const Mask& m) {
  blend(old, spread<T>(value), m);
}

// How the lanes' elements lie: one for all, side by side, within a vector's reach, or apart.
struct Pattern {
  enum Kind { kSame, kNext, kNear, kApart, kFar };
  std::int64_t base;  // the least index
  std::int64_t span;
  Kind kind;
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
MSIM_INLINE T load(const View<T>& from, std::int64_t index) {
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
MSIM_INLINE void store(const View<T>& to, std::int64_t index, const U& value, const Mask& m) {
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
  if constexpr (!kIsLane<D> && sizeof(T) == 4) {
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
  const Each<int> by(spread<int>(delta));
  return exchanged(value, m, [&](int i) { return i + by[i] < kLanes ? i + by[i] : i; });
}
template <class V, class D>
inline auto lanes_shuffle_up(const V& v, const D& delta, const Mask& m) {
  const Each<int> by(spread<int>(delta));
  return exchanged(spread<Element<V>>(v), m, [&](int i) { return by[i] <= i ? i - by[i] : i; });
}
template <class V, class D>
inline auto lanes_shuffle_xor(const V& v, const D& mask, const Mask& m) {
  const Each<int> by(spread<int>(mask));
  return exchanged(spread<Element<V>>(v), m, [&](int i) { return (i ^ by[i]) & 31; });
}

}  // namespace msim
