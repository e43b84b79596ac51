// The functions of MSL's standard library that generated kernels call.
//
// Every function rounds once, in the type of its argument: `half` functions
// compute in float. A GPU's own versions differ in the last bits.
#pragma once
#include "vectors.h"

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_huge_valf()
#define MAXFLOAT __FLT_MAX__
#define M_PI_F 3.14159265358979323846f

namespace metal {

template <class To, class From>
inline To as_type(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "as_type between different sizes");
  To to;
  __builtin_memcpy(static_cast<void*>(&to), &from, sizeof to);
  return to;
}

#define MSIM_EACH1(name)                                \
  template <class T, int N, bool P>                             \
  inline vec<T, N, P> name(const vec<T, N, P>& a) {           \
    vec<T, N, P> r;                                        \
    for (int i = 0; i < N; ++i) r[i] = name(a[i]);      \
    return r;                                           \
  }
#define MSIM_EACH2(name)                                              \
  template <class T, int N, bool P>                                           \
  inline vec<T, N, P> name(const vec<T, N, P>& a, const vec<T, N, P>& b) {     \
    vec<T, N, P> r;                                                      \
    for (int i = 0; i < N; ++i) r[i] = name(a[i], b[i]);              \
    return r;                                                         \
  }

#define MSIM_FLOAT1(name, builtin)                                                  \
  inline float name(float a) { return __builtin_##builtin##f(a); }                  \
  inline half name(half a) { return static_cast<half>(name(static_cast<float>(a))); } \
  MSIM_EACH1(name)
MSIM_FLOAT1(acos, acos)
MSIM_FLOAT1(acosh, acosh)
MSIM_FLOAT1(asin, asin)
MSIM_FLOAT1(asinh, asinh)
MSIM_FLOAT1(atan, atan)
MSIM_FLOAT1(atanh, atanh)
MSIM_FLOAT1(ceil, ceil)
MSIM_FLOAT1(cos, cos)
MSIM_FLOAT1(cosh, cosh)
MSIM_FLOAT1(exp, exp)
MSIM_FLOAT1(exp2, exp2)
MSIM_FLOAT1(exp10, exp10)
MSIM_FLOAT1(fabs, fabs)
MSIM_FLOAT1(floor, floor)
MSIM_FLOAT1(log, log)
MSIM_FLOAT1(log2, log2)
MSIM_FLOAT1(log10, log10)
MSIM_FLOAT1(rint, rint)
MSIM_FLOAT1(round, round)
MSIM_FLOAT1(sin, sin)
MSIM_FLOAT1(sinh, sinh)
MSIM_FLOAT1(sqrt, sqrt)
MSIM_FLOAT1(tan, tan)
MSIM_FLOAT1(tanh, tanh)
MSIM_FLOAT1(trunc, trunc)
#undef MSIM_FLOAT1

inline float rsqrt(float a) { return 1.0f / __builtin_sqrtf(a); }
inline half rsqrt(half a) { return static_cast<half>(rsqrt(static_cast<float>(a))); }
MSIM_EACH1(rsqrt)
inline float abs(float a) { return __builtin_fabsf(a); }
inline half abs(half a) { return a < 0 ? static_cast<half>(-a) : a; }
inline int abs(int a) { return a < 0 ? -a : a; }
inline long abs(long a) { return a < 0 ? -a : a; }
MSIM_EACH1(abs)

#define MSIM_FLOAT2(name, builtin)                                                        \
  inline float name(float a, float b) { return __builtin_##builtin##f(a, b); }            \
  inline half name(half a, half b) {                                                      \
    return static_cast<half>(name(static_cast<float>(a), static_cast<float>(b)));         \
  }                                                                                       \
  MSIM_EACH2(name)
MSIM_FLOAT2(atan2, atan2)
MSIM_FLOAT2(copysign, copysign)
MSIM_FLOAT2(fmax, fmax)
MSIM_FLOAT2(fmin, fmin)
MSIM_FLOAT2(fmod, fmod)
MSIM_FLOAT2(pow, pow)
#undef MSIM_FLOAT2
inline float powr(float a, float b) { return __builtin_powf(a, b); }
MSIM_EACH2(powr)

#define MSIM_ORDER(T)                                            \
  inline T max(T a, T b) { return a < b ? b : a; }               \
  inline T min(T a, T b) { return b < a ? b : a; }               \
  inline T clamp(T v, T low, T high) { return min(max(v, low), high); }
MSIM_ORDER(char)
MSIM_ORDER(uchar)
MSIM_ORDER(short)
MSIM_ORDER(ushort)
MSIM_ORDER(int)
MSIM_ORDER(uint)
MSIM_ORDER(long)
MSIM_ORDER(ulong)
#undef MSIM_ORDER
// MSL: the number wins over a NaN.
#define MSIM_ORDER_FLOAT(T)                                              \
  inline T max(T a, T b) { return a != a ? b : (a < b ? b : a); }        \
  inline T min(T a, T b) { return a != a ? b : (b < a ? b : a); }        \
  inline T clamp(T v, T low, T high) { return min(max(v, low), high); }
MSIM_ORDER_FLOAT(half)
MSIM_ORDER_FLOAT(float)
#undef MSIM_ORDER_FLOAT
MSIM_EACH2(max)
MSIM_EACH2(min)
template <class T, int N, bool P>
inline vec<T, N, P> clamp(const vec<T, N, P>& v, const vec<T, N, P>& low, const vec<T, N, P>& high) {
  return min(max(v, low), high);
}

inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline half fma(half a, half b, half c) {
  return static_cast<half>(__builtin_fmaf(a, b, c));
}
template <class T, int N, bool P>
inline vec<T, N, P> fma(const vec<T, N, P>& a, const vec<T, N, P>& b, const vec<T, N, P>& c) {
  vec<T, N, P> r;
  for (int i = 0; i < N; ++i) r[i] = fma(a[i], b[i], c[i]);
  return r;
}

template <class T>
inline T select(T if_false, T if_true, bool condition) {
  return condition ? if_true : if_false;
}
template <class T, int N, bool P>
inline vec<T, N, P> select(const vec<T, N, P>& if_false, const vec<T, N, P>& if_true,
                        const vec<bool, N>& condition) {
  vec<T, N, P> r;
  for (int i = 0; i < N; ++i) r[i] = condition[i] ? if_true[i] : if_false[i];
  return r;
}

template <class T, int N, bool P>
inline T dot(const vec<T, N, P>& a, const vec<T, N, P>& b) {
  T sum = a[0] * b[0];
  for (int i = 1; i < N; ++i) sum += a[i] * b[i];
  return sum;
}

#define MSIM_TEST(name, builtin)                                        \
  inline bool name(float a) { return __builtin_##builtin(a); }          \
  inline bool name(half a) { return __builtin_##builtin(static_cast<float>(a)); }
MSIM_TEST(isnan, isnan)
MSIM_TEST(isinf, isinf)
MSIM_TEST(isfinite, isfinite)
#undef MSIM_TEST
template <int N>
inline bool any(const vec<bool, N>& a) {
  bool r = false;
  for (int i = 0; i < N; ++i) r = r || a[i];
  return r;
}
template <int N>
inline bool all(const vec<bool, N>& a) {
  bool r = true;
  for (int i = 0; i < N; ++i) r = r && a[i];
  return r;
}

// Bits are counted in the type of the argument.
#define MSIM_BITS(T)                                                                        \
  inline T popcount(T a) {                                                                  \
    return static_cast<T>(__builtin_popcountl(static_cast<ulong>(a) & MSIM_ONES(T)));       \
  }                                                                                         \
  inline T clz(T a) {                                                                       \
    const ulong bits = static_cast<ulong>(a) & MSIM_ONES(T);                                \
    const int width = 8 * sizeof(T);                                                        \
    return static_cast<T>(bits == 0 ? width : __builtin_clzl(bits) - (64 - width));         \
  }                                                                                         \
  inline T ctz(T a) {                                                                       \
    const ulong bits = static_cast<ulong>(a) & MSIM_ONES(T);                                \
    return static_cast<T>(bits == 0 ? 8 * static_cast<int>(sizeof(T)) : __builtin_ctzl(bits)); \
  }
#define MSIM_ONES(T) (~0ul >> (64 - 8 * sizeof(T)))
MSIM_BITS(char)
MSIM_BITS(uchar)
MSIM_BITS(short)
MSIM_BITS(ushort)
MSIM_BITS(int)
MSIM_BITS(uint)
MSIM_BITS(long)
MSIM_BITS(ulong)
#undef MSIM_ONES
#undef MSIM_BITS
MSIM_EACH1(popcount)
MSIM_EACH1(clz)
MSIM_EACH1(ctz)

#undef MSIM_EACH1
#undef MSIM_EACH2

}  // namespace metal
