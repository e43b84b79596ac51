// MSL's vector types, as plain structures that the host compiler vectorises.
#pragma once

typedef _Float16 half;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace metal {

template <class T, int N>
struct vec_data;
template <class T>
struct alignas(2 * sizeof(T)) vec_data<T, 2> {
  T x, y;
};
// MSL: three elements take the room of four.
template <class T>
struct alignas(4 * sizeof(T)) vec_data<T, 3> {
  T x, y, z;
};
template <class T>
struct alignas(4 * sizeof(T)) vec_data<T, 4> {
  T x, y, z, w;
};

template <class T, int N>
struct vec : vec_data<T, N> {
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
  template <class U>
  explicit vec(const vec<U, N>& other) {
    for (int i = 0; i < N; ++i) (*this)[i] = static_cast<T>(other[i]);
  }
  T& operator[](int i) { return (&this->x)[i]; }
  const T& operator[](int i) const { return (&this->x)[i]; }
};

#define MSIM_BINARY(op)                                                              \
  template <class T, int N>                                                          \
  inline vec<T, N> operator op(const vec<T, N>& a, const vec<T, N>& b) {             \
    vec<T, N> r;                                                                     \
    for (int i = 0; i < N; ++i) r[i] = a[i] op b[i];                                 \
    return r;                                                                        \
  }                                                                                  \
  template <class T, int N>                                                          \
  inline vec<T, N> operator op(const vec<T, N>& a, typename vec<T, N>::element b) {  \
    return a op vec<T, N>(b);                                                        \
  }                                                                                  \
  template <class T, int N>                                                          \
  inline vec<T, N> operator op(typename vec<T, N>::element a, const vec<T, N>& b) {  \
    return vec<T, N>(a) op b;                                                        \
  }                                                                                  \
  template <class T, int N>                                                          \
  inline vec<T, N>& operator op##=(vec<T, N>& a, const vec<T, N>& b) {               \
    return a = a op b;                                                               \
  }
MSIM_BINARY(+)
MSIM_BINARY(-)
MSIM_BINARY(*)
MSIM_BINARY(/)
MSIM_BINARY(%)
MSIM_BINARY(&)
MSIM_BINARY(|)
MSIM_BINARY(^)
MSIM_BINARY(<<)
MSIM_BINARY(>>)
#undef MSIM_BINARY

#define MSIM_COMPARE(op)                                                   \
  template <class T, int N>                                                \
  inline vec<bool, N> operator op(const vec<T, N>& a, const vec<T, N>& b) { \
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

template <class T, int N>
inline vec<T, N> operator-(const vec<T, N>& a) {
  vec<T, N> r;
  for (int i = 0; i < N; ++i) r[i] = -a[i];
  return r;
}
template <class T, int N>
inline vec<T, N> operator~(const vec<T, N>& a) {
  vec<T, N> r;
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
