// A kernel's body for the 32 lanes of a simd-group at once: C++ over kernel/lanes.h.
//
// What all lanes agree on stays scalar; the rest is vectors, with masks where branches
// part. An index is taken apart into what the lanes share and a pattern of the lanes'
// positions, which is found out once. Kernels outside the subset throw TranslateError.
#pragma once
#include <string>
#include <vector>

#include "entry.h"
#include "lex.h"

namespace msim {

struct LanesText {
  std::string text;  // `msim_lanes(msim::Group*)`: the simd-group that begins at `linear`
  std::uint32_t threadgroup_bytes = 0;
  bool barriers = false;
};

LanesText translate_lanes(const std::vector<Token>& tokens, std::size_t body,
                          const std::vector<Parameter>& parameters, const std::string& kernel);

}  // namespace msim
