#include "division.h"

#include "translate.h"

namespace msim {
namespace {

using Tokens = std::vector<Token>;

bool opens(const std::string& t) { return t == "(" || t == "["; }
bool closes(const std::string& t) { return t == ")" || t == "]"; }
bool ends(const std::string& t) {
  return t == ";" || t == "," || t == "{" || t == "}" || t == "else" || t == "do";
}

// Where the assignment with the sign at `at` begins: after the statement before it, or
// after the header `if (...)`.
std::size_t target_begin(const Tokens& tokens, std::size_t at) {
  int depth = 0;
  std::size_t i = at;
  for (; i > 0; --i) {
    const auto& t = tokens[i - 1].text;
    const bool header = t == ")" && i < at && tokens[i].kind == Token::kWord;
    if (depth == 0 && (opens(t) || ends(t) || header)) break;
    depth += closes(t) ? 1 : opens(t) ? -1 : 0;
  }
  return i;
}

// Whether a target may do something each time it is computed, and not only name a place.
bool has_effects(const Tokens& target) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    const auto& t = target[i].text;
    if (t == "++" || t == "--" || t.back() == '=') return true;
    if (t == "(" && i > 0 && target[i - 1].kind == Token::kWord) return true;
  }
  return false;
}

std::size_t value_end(const Tokens& tokens, std::size_t at) {
  int depth = 0;
  std::size_t i = at;
  for (; i < tokens.size(); ++i) {
    const auto& t = tokens[i].text;
    if (depth == 0 && (closes(t) || ends(t))) break;
    depth += opens(t) ? 1 : closes(t) ? -1 : 0;
  }
  return i;
}

}  // namespace

void spell_out_divisions(Tokens& tokens) {
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    if (tokens[at].text != "/=" && tokens[at].text != "%=") continue;
    const auto sign = [&, line = tokens[at].line](const std::string& text) {
      return Token{Token::kSign, text, line};
    };
    const std::size_t begin = target_begin(tokens, at), end = value_end(tokens, at + 1);
    Tokens made(tokens.begin() + begin, tokens.begin() + at);
    const Tokens target = made;
    if (has_effects(target)) {
      throw TranslateError(tokens[at].line, "`" + tokens[at].text + "` on a target with effects");
    }
    made.push_back(sign("="));
    made.insert(made.end(), target.begin(), target.end());
    made.push_back(sign(tokens[at].text.substr(0, 1)));
    made.push_back(sign("("));
    made.insert(made.end(), tokens.begin() + at + 1, tokens.begin() + end);
    made.push_back(sign(")"));
    tokens.erase(tokens.begin() + begin, tokens.begin() + end);
    tokens.insert(tokens.begin() + begin, made.begin(), made.end());
  }
}

bool may_trap(const Tokens& tokens, std::size_t at) {
  const auto& t = tokens[at].text;
  if ((t != "/" && t != "%") || at + 1 >= tokens.size()) return false;
  const Token& by = tokens[at + 1];
  return by.kind != Token::kNumber || by.text.find_first_of("123456789") == std::string::npos;
}

}  // namespace msim
