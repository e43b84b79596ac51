// Simd-group matrices of 8 by 8 elements, two of them in each lane.
//
// Which lane holds which elements is the layout that Apple's GPUs are seen to
// have; generated kernels load, store and multiply whole matrices and do not
// depend on it. Every operation waits until all lanes have come to it. A product
// is summed in float, from the added matrix on, and rounded once.
#pragma once
#include "simd.h"

namespace metal {

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "MSL has simd-group matrices of 8 by 8 only");
  // Until something is loaded or filled in: undefined on a GPU.
  T element[2] = {static_cast<T>(NAN), static_cast<T>(NAN)};
};
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;

template <class T, int Columns, int Rows>
inline simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> m;
  m.element[0] = m.element[1] = value;
  return m;
}

}  // namespace metal

namespace msim {

template <class T>
using Matrix = metal::simdgroup_matrix<T, 8, 8>;

// A lane's elements: two neighbours of one row.
struct Part {
  std::uint32_t row, column;
  explicit Part(std::uint32_t lane)
      : row(lane / 16 * 4 + lane / 2 % 4), column(lane / 8 % 2 * 4 + lane % 2 * 2) {}
};
inline std::uint32_t holder(std::uint32_t row, std::uint32_t column) {
  return row / 4 * 16 + row % 4 * 2 + column / 4 * 8 + column % 4 / 2;
}

template <class T>
inline void put(T* at, const T& value) {
  *at = value;
}
template <class Pointer, class T>
inline auto put(const Pointer& at, const T& value) -> decltype(at.put(value)) {
  at.put(value);
}

// Where the matrix begins in memory; generated kernels say 0.
struct Origin {
  std::int64_t column, row;
  Origin(std::int64_t both) : column(both), row(both) {}
  Origin(const ulong2& o)
      : column(static_cast<std::int64_t>(o.x)), row(static_cast<std::int64_t>(o.y)) {}
};

template <class Pointer>
inline Pointer matrix_element(Group* group, const Pointer& base, std::int64_t row_length, Origin origin,
                              bool transpose, int which) {
  const Part part(group->linear % kSimdWidth);
  const std::int64_t row = transpose ? part.column + which : part.row;
  const std::int64_t column = transpose ? part.row : part.column + which;
  return base + ((origin.row + row) * row_length + origin.column + column);
}

template <class T, class Pointer>
inline void matrix_load(Group* group, std::uint32_t site, Matrix<T>& m, const Pointer& from,
                        std::int64_t row_length = 8, Origin origin = 0, bool transpose = false) {
  group->wait(group, kMatrix, site);
  for (int i = 0; i < 2; ++i) {
    m.element[i] = *matrix_element(group, from, row_length, origin, transpose, i);
  }
}

template <class T, class Pointer>
inline void matrix_store(Group* group, std::uint32_t site, const Matrix<T>& m, const Pointer& to,
                         std::int64_t row_length = 8, Origin origin = 0, bool transpose = false) {
  group->wait(group, kMatrix, site);
  for (int i = 0; i < 2; ++i) {
    put(matrix_element(group, to, row_length, origin, transpose, i), m.element[i]);
  }
}

template <class A, class B>
struct Factors {
  A a[2];
  B b[2];
};

// d = a * b + c
template <class D, class A, class B, class C>
inline void matrix_multiply(Group* group, std::uint32_t site, Matrix<D>& d, const Matrix<A>& a,
                            const Matrix<B>& b, const Matrix<C>& c) {
  using Both = Factors<A, B>;
  const Round<Both> round(group, {{a.element[0], a.element[1]}, {b.element[0], b.element[1]}}, site,
                          kMatrix);
  const Part part(round.lane());
  float sum[2] = {static_cast<float>(c.element[0]), static_cast<float>(c.element[1])};
  for (std::uint32_t k = 0; k < 8; ++k) {
    const float left = static_cast<float>(round.from(holder(part.row, k)).a[k % 2]);
    const Both right = round.from(holder(k, part.column));
    for (int i = 0; i < 2; ++i) sum[i] += left * static_cast<float>(right.b[i]);
  }
  for (int i = 0; i < 2; ++i) d.element[i] = static_cast<D>(sum[i]);
}

// d = a * b
template <class D, class A, class B>
inline void matrix_multiply(Group* group, std::uint32_t site, Matrix<D>& d, const Matrix<A>& a,
                            const Matrix<B>& b) {
  Matrix<float> nothing;
  nothing.element[0] = nothing.element[1] = 0;
  matrix_multiply(group, site, d, a, b, nothing);
}

}  // namespace msim

#define simdgroup_load(...) msim::matrix_load(msim_group, __LINE__, __VA_ARGS__)
#define simdgroup_store(...) msim::matrix_store(msim_group, __LINE__, __VA_ARGS__)
#define simdgroup_multiply(...) msim::matrix_multiply(msim_group, __LINE__, __VA_ARGS__)
#define simdgroup_multiply_accumulate(...) msim::matrix_multiply(msim_group, __LINE__, __VA_ARGS__)
