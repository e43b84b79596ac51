// Vectors of two to four elements in each lane, `half4` and its kin, where a simd-group
// runs at once. What all lanes agree on is a plain vector, anything else a `Wide`.
#pragma once
#include "lanes.h"

namespace msim {

template <class T, int N>
struct Wide {
  Lane<T> v[N];
  Lane<T>& operator[](int i) { return v[i]; }
  const Lane<T>& operator[](int i) const { return v[i]; }
};

template <class V>
struct Parts {
  using Type = Element<V>;
  static constexpr int kCount = 1;
  static constexpr bool kWide = false;
};
template <class T, int N>
struct Parts<Wide<T, N>> {
  using Type = T;
  static constexpr int kCount = N;
  static constexpr bool kWide = true;
};
template <class T, int N, bool P>
struct Parts<metal::vec<T, N, P>> {
  using Type = T;
  static constexpr int kCount = N;
  static constexpr bool kWide = false;
};
template <class... V>
concept AnyWide = (Parts<V>::kWide || ...);

template <class... V>
constexpr int kMostParts = [] {
  int most = 1;
  ((most = Parts<V>::kCount > most ? Parts<V>::kCount : most), ...);
  return most;
}();

// One element; a scalar stands for all of them.
template <class V>
inline auto part(const V& value, int i) {
  if constexpr (Parts<V>::kCount > 1) {
    return value[i];
  } else {
    return value;
  }
}

template <class T, int N, class V>
inline Wide<T, N> spread_wide(const V& value) {
  Wide<T, N> r;
  for (int i = 0; i < N; ++i) r.v[i] = spread<T>(part(value, i));
  return r;
}

// A cast of the source.
template <class T, int N, class V>
inline auto to_vector(const V& value) {
  if constexpr (Parts<V>::kWide || kIsLane<V>) {
    return spread_wide<T, N>(value);
  } else {
    metal::vec<T, N> r;
    for (int i = 0; i < N; ++i) r[i] = static_cast<T>(part(value, i));
    return r;
  }
}

// `half4(a, b, c, d)`, or one element for all.
template <class T, int N, class... E>
inline auto vector(const E&... elements) {
  if constexpr (sizeof...(E) == 1) {
    return to_vector<T, N>(elements...);
  } else if constexpr ((kIsLane<E> || ...)) {
    return Wide<T, N>{{spread<T>(elements)...}};
  } else {
    return metal::vec<T, N>(static_cast<T>(elements)...);
  }
}

// Operations keep the type of their elements: vectors are not promoted.
#define MSIM_WIDE(op)                                                          \
  template <class A, class B>                                                  \
    requires AnyWide<A, B>                                                     \
  inline auto operator op(const A& a, const B& b) {                            \
    using T = typename Parts<A>::Type;                                         \
    Wide<T, Parts<A>::kCount> r;                                               \
    for (int i = 0; i < Parts<A>::kCount; ++i) r.v[i] = spread<T>(part(a, i) op part(b, i)); \
    return r;                                                                  \
  }
MSIM_WIDE(+)
MSIM_WIDE(-)
MSIM_WIDE(*)
MSIM_WIDE(/)
MSIM_WIDE(%)
MSIM_WIDE(&)
MSIM_WIDE(|)
MSIM_WIDE(^)
MSIM_WIDE(<<)
MSIM_WIDE(>>)
#undef MSIM_WIDE
#define MSIM_WIDE(op)                                                          \
  template <class A, class B>                                                  \
    requires AnyWide<A, B>                                                     \
  inline auto operator op(const A& a, const B& b) {                            \
    Wide<bool, Parts<A>::kCount> r;                                            \
    for (int i = 0; i < Parts<A>::kCount; ++i) r.v[i] = spread<bool>(part(a, i) op part(b, i)); \
    return r;                                                                  \
  }
MSIM_WIDE(<)
MSIM_WIDE(<=)
MSIM_WIDE(>)
MSIM_WIDE(>=)
MSIM_WIDE(==)
MSIM_WIDE(!=)
MSIM_WIDE(&&)
MSIM_WIDE(||)
#undef MSIM_WIDE
template <class T, int N>
inline Wide<T, N> operator-(const Wide<T, N>& a) {
  Wide<T, N> r;
  for (int i = 0; i < N; ++i) r.v[i] = spread<T>(-a.v[i]);
  return r;
}

// A function of the library, element by element.
template <class F, class... A>
  requires AnyWide<A...>
inline auto each(F f, const A&... a) {
  constexpr int kCount = kMostParts<A...>;
  using T = Element<decltype(each(f, part(a, 0)...))>;
  Wide<T, kCount> r;
  for (int i = 0; i < kCount; ++i) r.v[i] = each(f, part(a, i)...);
  return r;
}

template <class T, int N, class V>
inline void assign(Wide<T, N>& old, const V& value, const Mask& m) {
  for (int i = 0; i < N; ++i) assign(old.v[i], part(value, i), m);
}

// ---- neighbours in an array of a lane's own

template <int N, class T>
inline Wide<T, N> parts(const Lane<T>* at) {
  Wide<T, N> r;
  for (int i = 0; i < N; ++i) r.v[i] = at[i];
  return r;
}
template <int N, class T>
inline metal::vec<T, N> parts(const T* at) {
  metal::vec<T, N> r;
  for (int i = 0; i < N; ++i) r[i] = at[i];
  return r;
}
template <int N, class T, class V>
inline void set_parts(Lane<T>* at, const V& value) {
  for (int i = 0; i < N; ++i) at[i] = spread<T>(part(value, i));
}
template <int N, class T, class V>
inline void set_parts(T* at, const V& value) {
  for (int i = 0; i < N; ++i) at[i] = static_cast<T>(part(value, i));
}
template <int N, class T, class V>
inline void assign_parts(Lane<T>* at, const V& value, const Mask& m) {
  for (int i = 0; i < N; ++i) assign(at[i], part(value, i), m);
}

// ---- neighbours in memory

// Four halves are one word of a lane.
template <int N, class T>
constexpr bool kIsWord = N == 4 && sizeof(T) == 2;

#if defined(__AVX512F__) && defined(__AVX512BW__)
inline __m512i words_of(const Pattern& p, const void* at, int eight) {
  if (p.stride == 4) return _mm512_loadu_si512(static_cast<const char*>(at) + 64 * eight);
  __m256i offsets;
  __builtin_memcpy(&offsets, reinterpret_cast<const char*>(&p.offset) + 32 * eight, sizeof offsets);
  return _mm512_i32gather_epi64(offsets, at, 2);
}
#endif

template <int N, class T>
inline Wide<T, N> load_vector(const View<T>& from, std::int64_t begin, const Pattern& p, const Mask& m) {
  Wide<T, N> r;
#if defined(__AVX512F__) && defined(__AVX512BW__)
  if constexpr (kIsWord<N, T>) {
    if (m.all() && p.kind != Pattern::kFar) {
      const T* at = from.data + (begin + p.base);
      for (int eight = 0; eight < 4; ++eight) {
        __m512i words = words_of(p, at, eight);
        for (int i = 0; i < N; ++i) {
          const __m128i part = _mm512_cvtepi64_epi16(words);
          __builtin_memcpy(reinterpret_cast<char*>(&r.v[i]) + 16 * eight, &part, sizeof part);
          words = _mm512_srli_epi64(words, 16);
        }
      }
      return r;
    }
  }
#endif
  for (int i = 0; i < N; ++i) r.v[i] = load(from, begin + i, p, m);
  return r;
}
template <int N, class T>
inline metal::vec<T, N> load_vector(const View<T>& from, std::int64_t index) {
  return parts<N>(static_cast<const T*>(from.data + index));
}

template <int N, class T, class V>
inline void store_vector(const View<T>& to, std::int64_t begin, const Pattern& p, const V& value, const Mask& m) {
  struct Element {
    T at[N];
  };
  T* at = to.data + (begin + p.base);
  alignas(64) Element all[kLanes];
  const Wide<T, N> lanes = spread_wide<T, N>(value);
#if defined(__AVX512F__) && defined(__AVX512BW__)
  if constexpr (kIsWord<N, T>) {
    for (int eight = 0; eight < 4; ++eight) {
      __m512i words = _mm512_setzero_si512();
      for (int i = N - 1; i >= 0; --i) {
        __m128i part;
        __builtin_memcpy(&part, reinterpret_cast<const char*>(&lanes.v[i]) + 16 * eight, sizeof part);
        words = _mm512_or_si512(_mm512_slli_epi64(words, 16), _mm512_cvtepu16_epi64(part));
      }
      __builtin_memcpy(reinterpret_cast<char*>(all) + 64 * eight, &words, sizeof words);
    }
  } else
#endif
  {
    for (int i = 0; i < N; ++i) {
      const Each<T> elements(lanes.v[i]);
      for (int lane = 0; lane < kLanes; ++lane) all[lane].at[i] = elements[lane];
    }
  }
  if (m.all() && p.stride == N) {
    __builtin_memcpy(at, all, sizeof all);
    return;
  }
  for (std::uint32_t left = m.bits; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    __builtin_memcpy(at + p.of(lane), &all[lane], sizeof(Element));
  }
}
// One place for all lanes: the last one's value stays.
template <int N, class T, class V>
inline void store_vector(const View<T>& to, std::int64_t index, const V& value, const Mask& m) {
  for (int i = 0; i < N; ++i) store(to, index + i, part(value, i), m);
}

}  // namespace msim
