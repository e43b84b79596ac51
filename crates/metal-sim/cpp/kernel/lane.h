// The 32 lanes of a simd-group as vectors, and their arithmetic, which rounds as it does
// when a lane runs alone. A value is either the same in all lanes, then it is a plain
// scalar, or a `Lane<T>`.
#pragma once
#include <type_traits>
#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

#include "matrix.h"

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

inline Lane<int> lane_numbers() {
  Lane<int> r;
  for (int k = 0; k < 2; ++k) {
    r.c[k] = Lane<int>::Chunk{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + 16 * k;
  }
  return r;
}

template <>
inline Lane<half>::Lane(half all) {
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

inline Lane<float> widened(const Lane<half>& a) {
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
inline Lane<half> narrowed(const Lane<float>& a) {
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
inline Lane<To> convert(const Lane<From>& a) {
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
inline auto to(const From& a) {
  if constexpr (kIsLane<From>) {
    return convert<To>(a);
  } else {
    return static_cast<To>(a);
  }
}
template <class To, class From>
inline Lane<To> spread(const From& a) {
  if constexpr (kIsLane<From>) {
    return convert<To>(a);
  } else {
    return Lane<To>(static_cast<To>(a));
  }
}

// Operands in the type that C++ gives the operation on their elements.
template <class A, class B>
using Common = decltype(Element<A>() + Element<B>());
template <class A, class B>
concept Whole = Varying<A, B> && std::is_integral_v<Common<A, B>>;

// A lane that takes no part may hold anything, so every division is one that never traps.
// Known while compiling where the kernel divides by a number.
template <class B>
inline bool may_trap(const B& b) {
  if constexpr (kIsLane<B>) {
    return true;
  } else {
    return b == 0 || b == static_cast<B>(-1);
  }
}
#define MSIM_LANES(op, whole)                                      \
  template <class A, class B>                                      \
    requires Whole<A, B>                                           \
  inline auto operator op(const A& a, const B& b) {                \
    using T = Common<A, B>;                                        \
    const Lane<T> x = spread<T>(a), y = spread<T>(b);              \
    const bool careful = may_trap(b);                              \
    Lane<T> r;                                                     \
    for (int k = 0; k < Lane<T>::kChunks; ++k) {                   \
      r.c[k] = careful ? whole<T>(x.c[k], y.c[k]) : x.c[k] op y.c[k]; \
    }                                                              \
    return r;                                                      \
  }
MSIM_LANES(/, quotient)
MSIM_LANES(%, rest)
#undef MSIM_LANES

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
  inline auto operator op(const A& a, const B& b) {                \
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
  inline auto operator op(const A& a, const B& b) {                           \
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
  inline auto operator op(const A& a, const B& b) {                           \
    using T = decltype(Element<A>() op Element<B>());                         \
    const Lane<T> x = spread<T>(a), y = spread<T>(b);                         \
    Lane<T> r;                                                                \
    for (int k = 0; k < Lane<T>::kChunks; ++k) r.c[k] = x.c[k] op y.c[k];     \
    return r;                                                                 \
  }
MSIM_LANES(<<)
MSIM_LANES(>>)
#undef MSIM_LANES
#define MSIM_LANES(op)                                                        \
  template <class A, class B>                                                 \
    requires Varying<A, B>                                                    \
  inline Lane<bool> operator op(const A& a, const B& b) {                     \
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
inline Lane<bool> operator&&(const A& a, const B& b) {
  return spread<bool>(a) & spread<bool>(b);
}
template <class A, class B>
  requires Varying<A, B>
inline Lane<bool> operator||(const A& a, const B& b) {
  return spread<bool>(a) | spread<bool>(b);
}
template <class T>
inline Lane<bool> operator!(const Lane<T>& a) {
  return spread<bool>(a) ^ Lane<bool>(true);
}
template <class T>
inline auto operator-(const Lane<T>& a) {
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
inline Lane<decltype(~T())> operator~(const Lane<T>& a) {
  auto r = convert<decltype(~T())>(a);
  for (auto& chunk : r.c) chunk = ~chunk;
  return r;
}

template <class A>
inline auto one_by_one(const A& a) {
  if constexpr (std::is_same_v<A, Lane<bool>>) {
    return Each<int>(convert<int>(a));
  } else if constexpr (kIsLane<A>) {
    return Each<Element<A>>(a);
  } else {
    return a;
  }
}
template <class T>
inline T one_of(const Each<T>& all, int i) {
  return all[i];
}
template <class T>
inline T one_of(const T& same, int) {
  return same;
}
template <class F, class... A>
inline auto each_of(F f, const A&... a) {
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
inline auto each(F f, const A&... a) {
  return each_of(f, one_by_one(a)...);
}

}  // namespace msim
