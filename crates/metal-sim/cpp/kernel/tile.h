// Simd-group matrices where a simd-group runs at once (lanes.h): a matrix is held whole, not
// two elements by each lane. Sums have the order and the roundings of matrix.h.
#pragma once
#include "wide.h"

namespace msim {

// Values of T, as float.
template <class T>
struct Tile {
  alignas(64) float at[64];

  // Until something is loaded or filled in: undefined on a GPU.
  Tile() {
    for (auto& value : at) value = NAN;
  }
};

typedef float TileRow __attribute__((vector_size(32)));

inline TileRow row_at(const float* at) {
  TileRow row;
  __builtin_memcpy(&row, at, sizeof row);
  return row;
}
inline TileRow row_at(const half* at) {
#if defined(__F16C__)
  __m128i packed;
  __builtin_memcpy(&packed, at, sizeof packed);
  return reinterpret_cast<TileRow>(_mm256_cvtph_ps(packed));
#else
  TileRow row;
  for (int i = 0; i < 8; ++i) row[i] = static_cast<float>(at[i]);
  return row;
#endif
}
inline void put_row(float* at, const TileRow& row) { __builtin_memcpy(at, &row, sizeof row); }
inline void put_row(half* at, const TileRow& row) {
#if defined(__F16C__)
  const __m128i packed = _mm256_cvtps_ph(reinterpret_cast<__m256>(row), 0);
  __builtin_memcpy(at, &packed, sizeof packed);
#else
  for (int i = 0; i < 8; ++i) at[i] = static_cast<half>(row[i]);
#endif
}
template <class T>
inline TileRow rounded(const TileRow& row) {
  T kept[8];
  put_row(kept, row);
  return row_at(kept);
}

// Where all lanes point; the least of them where they do not agree, which is undefined.
inline std::int64_t place_of(std::int64_t begin) { return begin; }
inline std::int64_t place_of(std::int64_t begin, const Pattern& p) { return begin + p.base; }

inline void turn(float (&to)[64], const float (&from)[64]) {
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 8; ++c) to[8 * r + c] = from[8 * c + r];
  }
}

template <class T, class V>
inline void tile_fill(Tile<T>& m, V value) {
  for (auto& one : m.at) one = static_cast<float>(static_cast<T>(value));
}

template <class T>
inline void tile_load(Tile<T>& m, const View<T>& from, std::int64_t begin, std::int64_t row_length,
                      bool transposed) {
  alignas(64) float rows[64];
  float(&to)[64] = transposed ? rows : m.at;
  for (int r = 0; r < 8; ++r) put_row(to + 8 * r, row_at(from.data + (begin + r * row_length)));
  if (transposed) turn(m.at, rows);
}

template <class T>
inline void tile_store(const Tile<T>& m, const View<T>& to, std::int64_t begin, std::int64_t row_length,
                       bool transposed) {
  alignas(64) float rows[64];
  if (transposed) turn(rows, m.at);
  const float(&from)[64] = transposed ? rows : m.at;
  for (int r = 0; r < 8; ++r) put_row(to.data + (begin + r * row_length), row_at(from + 8 * r));
}

// d = a * b + c
template <class D, class A, class B, class C>
inline void tile_multiply(Tile<D>& d, const Tile<A>& a, const Tile<B>& b, const Tile<C>& c) {
  TileRow sum[8];
  for (int r = 0; r < 8; ++r) sum[r] = row_at(c.at + 8 * r);
  for (int k = 0; k < 8; ++k) {
    const TileRow right = row_at(b.at + 8 * k);
    for (int r = 0; r < 8; ++r) sum[r] += a.at[8 * r + k] * right;
  }
  for (int r = 0; r < 8; ++r) put_row(d.at + 8 * r, rounded<D>(sum[r]));
}

}  // namespace msim
