// Divisions in the tokens of a kernel, which must not trap (kernel/division.h).
#pragma once
#include <string>
#include <vector>

#include "lex.h"

namespace msim {

// `x /= y` as `x = x / (y)`, and the same for `%=`.
void spell_out_divisions(std::vector<Token>& tokens);

// Whether the token is a division that could trap: not by a number that is written.
bool may_trap(const std::vector<Token>& tokens, std::size_t at);

}  // namespace msim
