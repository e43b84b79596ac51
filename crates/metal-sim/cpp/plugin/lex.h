// Words of MSL source with their lines. Comments are dropped.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace msim {

struct Token {
  enum Kind { kWord, kNumber, kSign, kDirective };
  Kind kind;
  std::string text;
  int line;
};

std::vector<Token> lex(std::string_view source);

}  // namespace msim
