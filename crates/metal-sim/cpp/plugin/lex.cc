#include "lex.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace msim {
namespace {

bool word_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool word_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

// Signs of more than one character; `[[` stays two signs, because `a[b[0]]` has `]]` too.
constexpr std::array<std::string_view, 22> kLong = {
    "<<=", ">>=", "==", "!=", "<=", ">=", "&&", "||", "<<", ">>", "+=",
    "-=",  "*=",  "/=", "%=", "&=", "|=", "^=", "++", "--", "->", "::"};

std::size_t number_end(std::string_view s, std::size_t i) {
  while (i < s.size()) {
    bool exponent_sign = (s[i] == '+' || s[i] == '-') &&
                         (s[i - 1] == 'e' || s[i - 1] == 'E' || s[i - 1] == 'p');
    if (!word_part(s[i]) && s[i] != '.' && !exponent_sign) break;
    ++i;
  }
  return i;
}

std::size_t sign_end(std::string_view s, std::size_t i) {
  for (auto sign : kLong) {
    if (s.substr(i, sign.size()) == sign) return i + sign.size();
  }
  return i + 1;
}

// The end of a comment that starts at `i`, or `i` itself.
std::size_t comment_end(std::string_view s, std::size_t i) {
  if (s.substr(i, 2) == "//") {
    auto end = s.find('\n', i);
    return end == std::string_view::npos ? s.size() : end;
  }
  if (s.substr(i, 2) == "/*") {
    auto end = s.find("*/", i + 2);
    return end == std::string_view::npos ? s.size() : end + 2;
  }
  return i;
}

}  // namespace

std::vector<Token> lex(std::string_view s) {
  std::vector<Token> out;
  int line = 1;
  for (std::size_t i = 0; i < s.size();) {
    std::size_t end = comment_end(s, i);
    Token::Kind kind = Token::kSign;
    bool keep = false;
    if (end == i) {
      keep = !std::isspace(static_cast<unsigned char>(s[i]));
      end = i + 1;
      if (s[i] == '#') {
        kind = Token::kDirective;
        end = std::min(s.find('\n', i), s.size());
      } else if (word_start(s[i])) {
        kind = Token::kWord;
        while (end < s.size() && word_part(s[end])) ++end;
      } else if (digit(s[i]) || (s[i] == '.' && i + 1 < s.size() && digit(s[i + 1]))) {
        kind = Token::kNumber;
        end = number_end(s, i + 1);
      } else if (keep) {
        end = sign_end(s, i);
      }
    }
    if (keep) out.push_back({kind, std::string(s.substr(i, end - i)), line});
    for (; i < end; ++i) line += s[i] == '\n';
  }
  return out;
}

}  // namespace msim
