// MSL's vector types, as plain structures that the host compiler vectorises.
#pragma once
namespace metal {
template <class T, int N, bool Packed>
struct vec;
}
#include "division.h"

typedef _Float16 half;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace metal {

template <class T, int N, bool Packed>
struct vec_data;
template <class T>
struct alignas(2 * sizeof(T)) vec_data<T, 2, false> {
  T x, y;
};
// MSL: three elements take the room of four, unless they are packed.
template <class T>
struct alignas(4 * sizeof(T)) vec_data<T, 3, false> {
  T x, y, z;
};
template <class T>
struct vec_data<T, 3, true> {
  T x, y, z;
};
template <class T>
struct alignas(4 * sizeof(T)) vec_data<T, 4, false> {
  T x, y, z, w;
};

template <class T, int N, bool Packed = false>
struct vec : vec_data<T, N, Packed> {
  using element = T;
  vec() = default;
  explicit vec(T all) {
    for (int i = 0; i < N; ++i) (*this)[i] = all;
  }
  template <class... More>
    requires(sizeof...(More) == N - 2)
  vec(T first, T second, More... more) {
    T values[N] = {first, second, static_cast<T>(more)...};
    for (int i = 0; i < N; ++i) (*this)[i] = values[i];
  }
  template <class U, bool P>
  explicit vec(const vec<U, N, P>& other) {
    for (int i = 0; i < N; ++i) (*this)[i] = static_cast<T>(other[i]);
  }
  T& operator[](int i) { return (&this->x)[i]; }
  const T& operator[](int i) const { return (&this->x)[i]; }
};

// `by` is what stands between two elements.
#define MSIM_BINARY(op, by)                                                          \
  template <class T, int N, bool P>                                                        \
  inline vec<T, N, P> operator op(const vec<T, N, P>& a, const vec<T, N, P>& b) {             \
    vec<T, N, P> r;                                                                     \
    for (int i = 0; i < N; ++i) r[i] = a[i] by b[i];                                 \
    return r;                                                                        \
  }                                                                                  \
  template <class T, int N, bool P>                                                        \
  inline vec<T, N, P> operator op(const vec<T, N, P>& a, typename vec<T, N, P>::element b) {  \
    return a op vec<T, N, P>(b);                                                        \
  }                                                                                  \
  template <class T, int N, bool P>                                                        \
  inline vec<T, N, P> operator op(typename vec<T, N, P>::element a, const vec<T, N, P>& b) {  \
    return vec<T, N, P>(a) op b;                                                        \
  }                                                                                  \
  template <class T, int N, bool P>                                                        \
  inline vec<T, N, P>& operator op##=(vec<T, N, P>& a, const vec<T, N, P>& b) {               \
    return a = a op b;                                                               \
  }
MSIM_BINARY(+, +)
MSIM_BINARY(-, -)
MSIM_BINARY(*, *)
MSIM_BINARY(/, / msim::Divider() /)
MSIM_BINARY(%, % msim::Divider() %)
MSIM_BINARY(&, &)
MSIM_BINARY(|, |)
MSIM_BINARY(^, ^)
MSIM_BINARY(<<, <<)
MSIM_BINARY(>>, >>)
#undef MSIM_BINARY

#define MSIM_COMPARE(op)                                                   \
  template <class T, int N, bool P>                                              \
  inline vec<bool, N> operator op(const vec<T, N, P>& a, const vec<T, N, P>& b) { \
    vec<bool, N> r;                                                        \
    for (int i = 0; i < N; ++i) r[i] = a[i] op b[i];                       \
    return r;                                                              \
  }
MSIM_COMPARE(<)
MSIM_COMPARE(<=)
MSIM_COMPARE(>)
MSIM_COMPARE(>=)
MSIM_COMPARE(==)
MSIM_COMPARE(!=)
MSIM_COMPARE(&&)
MSIM_COMPARE(||)
#undef MSIM_COMPARE

template <class T, int N, bool P>
inline vec<T, N, P> operator-(const vec<T, N, P>& a) {
  vec<T, N, P> r;
  for (int i = 0; i < N; ++i) r[i] = -a[i];
  return r;
}
template <class T, int N, bool P>
inline vec<T, N, P> operator~(const vec<T, N, P>& a) {
  vec<T, N, P> r;
  for (int i = 0; i < N; ++i) r[i] = ~a[i];
  return r;
}
template <int N>
inline vec<bool, N> operator!(const vec<bool, N>& a) {
  vec<bool, N> r;
  for (int i = 0; i < N; ++i) r[i] = !a[i];
  return r;
}

}  // namespace metal

#define MSIM_VECTORS(T)             \
  typedef metal::vec<T, 2> T##2;    \
  typedef metal::vec<T, 3> T##3;    \
  typedef metal::vec<T, 4> T##4;
MSIM_VECTORS(bool)
MSIM_VECTORS(char)
MSIM_VECTORS(uchar)
MSIM_VECTORS(short)
MSIM_VECTORS(ushort)
MSIM_VECTORS(int)
MSIM_VECTORS(uint)
MSIM_VECTORS(long)
MSIM_VECTORS(ulong)
MSIM_VECTORS(half)
MSIM_VECTORS(float)
#undef MSIM_VECTORS
typedef metal::vec<half, 3, true> packed_half3;
typedef metal::vec<float, 3, true> packed_float3;
