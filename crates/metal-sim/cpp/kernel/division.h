// Division that never ends the process. On a GPU an integer divided by zero, or the least
// one by -1, is some number; a processor traps. Here zero divides like 1.
#pragma once
#include <type_traits>

#include "abi.h"

namespace msim {

// Division of integers `T`, and of the host compiler's vectors of them. The dividend is not
// asked whether it is the least one: a compiler may take it that no sum overflows.
template <class T, class V>
inline V divisor(const V& b) {
  const V one = V{} + static_cast<T>(1);
  const V known = b == V{} ? one : b;
  if constexpr (std::is_unsigned_v<T>) return known;
  return known == V{} - one ? one : known;
}
template <class T, class V>
inline V rest(const V& a, const V& b) {
  return a % divisor<T>(b);
}
template <class T, class V>
inline V quotient(const V& a, const V& b) {
  const V q = a / divisor<T>(b);
  if constexpr (std::is_unsigned_v<T>) return q;
  return b == V{} - static_cast<T>(1) ? V{} - q : q;
}

template <class T>
inline bool is_zero(const T& value) {
  if constexpr (std::is_integral_v<T>) return value == 0;
  return false;
}
template <class T, int N, bool P>
inline bool is_zero(const metal::vec<T, N, P>& value) {
  bool found = false;
  for (int i = 0; i < N; ++i) found = found || is_zero(value[i]);
  return found;
}

// Written between the sign of a division and that sign again: `a / by / b` has the order
// and the type of `a / b`. In guard mode it knows where it is.
struct Divider {
  Group* group = nullptr;
  std::int64_t line = 0;
};
template <class A>
struct Dividend {
  const A& value;
  Divider by;

  template <class B>
  const B& checked(const B& b) const {
    if (by.group != nullptr && is_zero(b)) {
      Fault f{};
      f.kind = kZeroDivisor;
      f.index = by.line;
      by.group->fault(by.group, f);
    }
    return b;
  }
};

#define MSIM_DIVISION(op, whole)                                              \
  template <class A>                                                          \
  inline Dividend<A> operator op(const A& a, const Divider& by) {             \
    return {a, by};                                                           \
  }                                                                           \
  template <class A, class B>                                                 \
  inline auto operator op(const Dividend<A>& a, const B& b) {                 \
    if constexpr (std::is_integral_v<A> && std::is_integral_v<B>) {           \
      using T = decltype(a.value op b);                                       \
      return whole<T, T>(a.value, a.checked(b));                              \
    } else {                                                                  \
      return a.value op a.checked(b);                                         \
    }                                                                         \
  }
MSIM_DIVISION(/, quotient)
MSIM_DIVISION(%, rest)
#undef MSIM_DIVISION

}  // namespace msim
