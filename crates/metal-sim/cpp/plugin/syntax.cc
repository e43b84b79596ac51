#include "syntax.h"

#include <map>
#include <set>

namespace msim {
namespace {

const std::set<std::string> kTypes = {"char", "uchar", "short", "ushort", "int", "uint",
                                      "long", "ulong", "half",  "float", "bool"};

// `half4` is four of `half`; 0 for what is no vector.
int vector_width(const std::string& type) {
  if (type.empty() || type.back() < '2' || type.back() > '4') return 0;
  return kTypes.count(type.substr(0, type.size() - 1)) != 0 ? type.back() - '0' : 0;
}
bool is_type(const std::string& name) { return scalar_type(name) || vector_width(name) != 0; }

int precedence(const std::string& op) {
  static const std::map<std::string, int> levels = {
      {"||", 1}, {"&&", 2}, {"|", 3},  {"^", 4},  {"&", 5},  {"==", 6}, {"!=", 6},
      {"<", 7},  {">", 7},  {"<=", 7}, {">=", 7}, {"<<", 8}, {">>", 8}, {"+", 9},
      {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10}};
  auto found = levels.find(op);
  return found == levels.end() ? 0 : found->second;
}

class Parser {
 public:
  Parser(const std::vector<Token>& tokens, std::size_t open) : tokens_(tokens), at_(open) {}

  Syntax run(const std::vector<Parameter>& parameters) {
    scopes_.emplace_back();
    for (const auto& p : parameters) {
      const std::string space = p.space.empty() ? "position" : p.space;
      if (space == "device" && (p.type == "bool" || !scalar_type(p.type))) fail("buffer of `" + p.type + "`");
      Symbol* s = declare(space, p.type, p.name);
      s->varying = p.attribute == "thread_position_in_threadgroup";
      if (space == "position" && !s->varying && p.attribute != "threadgroup_position_in_grid") {
        fail("`" + p.attribute + "`");
      }
    }
    out_.body = block();
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw TranslateError(at_ < tokens_.size() ? tokens_[at_].line : 0, what);
  }
  const std::string& text(std::size_t ahead = 0) const {
    static const std::string nothing;
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead].text : nothing;
  }
  void take(const char* expected) {
    if (text() != expected) fail(std::string("`") + expected + "` expected, found `" + text() + "`");
    ++at_;
  }
  bool taken(const char* what) { return text() == what && ++at_ != 0; }

  Symbol* declare(std::string space, std::string type, std::string name) {
    auto symbol = std::make_unique<Symbol>();
    symbol->space = std::move(space);
    symbol->type = std::move(type);
    symbol->name = name;
    symbol->declared = static_cast<int>(out_.symbols.size());
    out_.symbols.push_back(std::move(symbol));
    return scopes_.back()[name] = out_.symbols.back().get();
  }
  Symbol* known(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    return nullptr;
  }
  Symbol* find(const std::string& name) const {
    if (Symbol* symbol = known(name)) return symbol;
    fail("`" + name + "` is not declared");
  }

  std::vector<Statement> block() {
    take("{");
    scopes_.emplace_back();
    std::vector<Statement> all;
    while (text() != "}") all.push_back(statement());
    take("}");
    scopes_.pop_back();
    return all;
  }
  std::vector<Statement> branch() {
    if (text() == "{") return block();
    std::vector<Statement> one;
    one.push_back(statement());
    return one;
  }

  Statement statement() {
    Statement s{};
    s.line = tokens_[at_].line;
    if (text() == "{") {
      s.kind = Statement::kBlock;
      s.body = block();
      return s;
    }
    if (taken(";")) {
      s.kind = Statement::kNothing;
      return s;
    }
    if (taken("if")) {
      s.kind = Statement::kIf;
      take("(");
      s.condition.push_back(expression());
      take(")");
      s.body = branch();
      if (taken("else")) s.otherwise = branch();
      return s;
    }
    if (taken("for")) return loop(std::move(s));
    if (taken("while")) return endless(std::move(s));
    if (text() == "threadgroup_barrier" || text() == "simdgroup_barrier") {
      // Lanes are always together.
      s.kind = text() == "threadgroup_barrier" ? Statement::kBarrier : Statement::kNothing;
      while (text() != ";") ++at_;
      take(";");
      return s;
    }
    if (matrix_operations().count(text()) != 0) return matrix_operation(std::move(s));
    if (text() == "simdgroup_half8x8" || text() == "simdgroup_float8x8") {
      const std::string type = text() == "simdgroup_half8x8" ? "half" : "float";
      return declaration(std::move(s), "matrix", type);
    }
    std::string space;
    if (text() == "thread" || text() == "threadgroup") space = tokens_[at_++].text;
    if (text() == "const") ++at_;
    if (is_type(text()) && tokens_[at_ + 1].kind == Token::kWord) {
      return declaration(std::move(s), space == "threadgroup" ? space : "", text());
    }
    if (!space.empty()) fail("`" + text() + "` after `" + space + "`");
    if (known(text()) != nullptr && known(text())->space == "matrix") return matrix_fill(std::move(s));
    s.kind = Statement::kAssign;
    s.target.push_back(unary());
    take("=");
    s.value.push_back(expression());
    take(";");
    Expr& place = s.target.front();
    if (place.symbol == nullptr || (place.kind != Expr::kName && place.kind != Expr::kIndex)) {
      fail("assignment to an unknown place");
    }
    place.symbol->stored = true;
    return s;
  }

  // ---- simd-group matrices

  static const std::map<std::string, std::string>& matrix_operations() {
    static const std::map<std::string, std::string> all = {
        {"simdgroup_load", "load"},
        {"simdgroup_store", "store"},
        {"simdgroup_multiply_accumulate", "multiply"}};
    return all;
  }
  // One of an array of matrices.
  Expr matrix() {
    const int line = tokens_[at_].line;
    Symbol* symbol = find(text());
    ++at_;
    if (symbol->space != "matrix") fail("a matrix expected, found `" + symbol->name + "`");
    Expr e{Expr::kIndex, "", symbol, {}, line};
    e.parts.push_back({Expr::kName, symbol->name, symbol, {}, line});
    take("[");
    e.parts.push_back(expression());
    take("]");
    return e;
  }
  // NAME[n] = make_filled_simdgroup_matrix<T, 8, 8>(value);
  Statement matrix_fill(Statement s) {
    s.kind = Statement::kMatrix;
    s.operation = "fill";
    s.target.push_back(matrix());
    for (const char* sign : {"=", "make_filled_simdgroup_matrix", "<"}) take(sign);
    take(s.target.front().symbol->type.c_str());
    for (const char* sign : {",", "8", ",", "8", ">", "("}) take(sign);
    s.value.push_back(expression());
    take(")");
    take(";");
    return s;
  }
  // Whole matrices: (NAME[n], (&(memory[i])), row length, 0, (bool)transposed), or four.
  Statement matrix_operation(Statement s) {
    s.kind = Statement::kMatrix;
    s.operation = matrix_operations().at(text());
    ++at_;
    take("(");
    s.target.push_back(matrix());
    take(",");
    if (s.operation == "multiply") {
      for (int more = 0; more < 3; ++more) {
        if (more != 0) take(",");
        s.target.push_back(matrix());
      }
    } else {
      for (const char* sign : {"(", "&"}) take(sign);
      s.value.push_back(primary_in_brackets());
      take(")");
      Symbol* memory = s.value.front().symbol;
      if (s.value.front().kind != Expr::kIndex || !in_memory(memory)) fail("an address");
      if (memory->type != s.target.front().symbol->type) fail("memory of another type");
      if (s.operation == "store") memory->stored = true;
      take(",");
      s.value.push_back(expression());
      for (const char* sign : {",", "0", ",", "(", "bool", ")"}) take(sign);
      s.transposed = text() == "1";
      take(s.transposed ? "1" : "0");
    }
    take(")");
    take(";");
    return s;
  }
  Expr primary_in_brackets() {
    take("(");
    Expr e = expression();
    take(")");
    return e;
  }

  Statement declaration(Statement s, const std::string& space, std::string type) {
    s.kind = Statement::kDeclare;
    const int width = vector_width(type);
    if (width != 0) type.pop_back();
    const std::string name = tokens_[++at_].text;
    ++at_;
    std::string length;
    if (taken("[")) {
      if (type == "bool" || tokens_[at_].kind != Token::kNumber) fail("array length");
      length = tokens_[at_++].text;
      take("]");
    } else if (!space.empty()) {
      fail("`" + space + "` without an array");
    } else if (taken("=")) {
      s.value.push_back(expression());
    }
    take(";");
    s.symbol = declare(space, type, name);
    s.symbol->length = length;
    s.symbol->width = width == 0 ? 1 : width;
    return s;
  }

  // for (T name = first; condition; ++name)
  Statement loop(Statement s) {
    s.kind = Statement::kFor;
    take("(");
    if (!scalar_type(text())) fail("loop variable of `" + text() + "`");
    const std::string type = tokens_[at_++].text, name = tokens_[at_++].text;
    take("=");
    s.value.push_back(expression());
    take(";");
    scopes_.emplace_back();
    s.symbol = declare("", type, name);
    s.condition.push_back(expression());
    take(";");
    take("++");
    take(name.c_str());
    take(")");
    s.body = branch();
    scopes_.pop_back();
    return s;
  }

  // while (1) { if (!(condition)) { break; } ... }
  Statement endless(Statement s) {
    s.kind = Statement::kWhile;
    for (const char* sign : {"(", "1", ")", "{", "if", "(", "!"}) take(sign);
    s.condition.push_back(primary());
    for (const char* sign : {")", "{", "break", ";", "}"}) take(sign);
    scopes_.emplace_back();
    while (text() != "}") s.body.push_back(statement());
    take("}");
    scopes_.pop_back();
    return s;
  }

  Expr expression(int least = 1) {
    Expr left = unary();
    for (;;) {
      const int level = precedence(text());
      if (level < least) return left;
      Expr both{Expr::kBinary, text(), nullptr, {}, tokens_[at_].line};
      ++at_;
      both.parts.push_back(std::move(left));
      both.parts.push_back(expression(level + 1));
      left = std::move(both);
    }
  }

  Expr unary() {
    const int line = at_ < tokens_.size() ? tokens_[at_].line : 0;
    if (text() == "-" || text() == "!" || text() == "~") {
      Expr e{Expr::kUnary, text(), nullptr, {}, line};
      ++at_;
      e.parts.push_back(unary());
      return e;
    }
    if (text() == "*" && text(1) == "(") return neighbours();
    if (text() == "(" && is_type(text(1)) && text(2) == ")") {
      Expr e{Expr::kCast, text(1), nullptr, {}, line};
      to_vector(e);
      at_ += 3;
      e.parts.push_back(unary());
      return e;
    }
    return postfix(primary());
  }

  static void to_vector(Expr& e) {
    const int width = vector_width(e.text);
    if (width == 0) return;
    e.text.pop_back();
    e.width = width;
  }
  static Expr both(const char* op, Expr left, Expr right) {
    Expr e{Expr::kBinary, op, nullptr, {}, left.line};
    e.parts.push_back(std::move(left));
    e.parts.push_back(std::move(right));
    return e;
  }
  // The element, or the vector, of an array; `index` counts those.
  Expr element(Expr array, Expr index) {
    Symbol* symbol = array.symbol;
    Expr e{Expr::kIndex, "", symbol, {}, array.line};
    e.width = array.kind == Expr::kName && !symbol->length.empty() ? symbol->width : 1;
    if (in_memory(symbol) && symbol->width > 1) {
      Expr width{Expr::kNumber, std::to_string(symbol->width), nullptr, {}, array.line};
      index = both("*", std::move(index), std::move(width));
    }
    e.parts.push_back(std::move(array));
    e.parts.push_back(std::move(index));
    return e;
  }
  // *(device half4*)(name + index)
  Expr neighbours() {
    take("*");
    take("(");
    if (text() == "volatile") ++at_;
    const std::string space = text();
    Expr type{Expr::kNumber, text(1), nullptr, {}, tokens_[at_].line};
    at_ += 2;
    to_vector(type);
    for (const char* sign : {"*", ")", "("}) take(sign);
    Expr where = expression();
    take(")");
    if (where.kind == Expr::kBinary && where.text == "+") {
      Expr index = std::move(where.parts[1]);
      Expr array = std::move(where.parts[0]);
      where = std::move(array);
      where.parts.push_back(std::move(index));
    } else {
      where.parts.push_back({Expr::kNumber, "0", nullptr, {}, where.line});
    }
    Symbol* symbol = where.symbol;
    const bool known_array = where.kind == Expr::kName && symbol != nullptr && where.parts.size() == 1 &&
                             (in_memory(symbol) || !symbol->length.empty());
    if (!known_array || space != (symbol->space.empty() ? "thread" : symbol->space)) fail("an address");
    if (symbol->type != type.text || (symbol->width != 1 && symbol->width != type.width)) {
      fail("memory of another type");
    }
    Expr index = std::move(where.parts[0]);
    where.parts.clear();
    Expr e = element(std::move(where), std::move(index));
    e.width = type.width;
    return e;
  }

  Expr postfix(Expr e) {
    for (;;) {
      if (text() == "[") {
        if (e.symbol == nullptr || (e.kind == Expr::kIndex && e.width == 1)) fail("subscript of a value");
        ++at_;
        Expr index = expression();
        take("]");
        if (e.kind == Expr::kIndex && in_memory(e.symbol)) {
          e.parts[1] = both("+", std::move(e.parts[1]), std::move(index));
          e.width = 1;
        } else {
          e = element(std::move(e), std::move(index));
        }
      } else if (text() == ".") {
        ++at_;
        if (e.kind != Expr::kName) fail("member of a value");
        Expr member{Expr::kMember, text(), e.symbol, {}, tokens_[at_].line};
        ++at_;
        e = std::move(member);
      } else {
        return e;
      }
    }
  }

  Expr primary() {
    if (at_ >= tokens_.size()) fail("the end");
    const Token& t = tokens_[at_];
    if (t.kind == Token::kNumber) {
      ++at_;
      return {Expr::kNumber, t.text, nullptr, {}, t.line};
    }
    if (text() == "(") {
      if (Symbol* same = same_array()) return {Expr::kName, same->name, same, {}, t.line};
      ++at_;
      Expr inner = expression();
      take(")");
      return inner;
    }
    if (t.kind != Token::kWord) fail("`" + t.text + "`");
    if (text(1) == "(") {
      Expr call{Expr::kCall, t.text, nullptr, {}, t.line};
      to_vector(call);
      at_ += 2;
      while (text() != ")") {
        call.parts.push_back(expression());
        if (text() != ")") take(",");
      }
      take(")");
      return call;
    }
    Symbol* symbol = find(t.text);
    if (symbol->space == "matrix") fail("a matrix by itself");
    ++at_;
    return {Expr::kName, symbol->name, symbol, {}, t.line};
  }

  // ((volatile threadgroup float*)name): the array itself, or its bytes as another type.
  Symbol* same_array() {
    std::size_t i = 1;
    if (text(0) != "(" || text(i) != "(") return nullptr;
    ++i;
    if (text(i) == "volatile") ++i;
    if (text(i) != "threadgroup" && text(i) != "device") return nullptr;
    const std::string space = text(i), type = text(i + 1);
    if (text(i + 2) != "*" || text(i + 3) != ")" || text(i + 5) != ")") fail("a pointer");
    Symbol* symbol = find(text(i + 4));
    if (symbol->space != space) fail("a pointer of another kind");
    if (symbol->type != type || symbol->width != 1) symbol = seen_as(*symbol, type);
    at_ += i + 6;
    return symbol;
  }
  // Only memory of the threadgroup, of which nothing is remembered.
  Symbol* seen_as(const Symbol& array, const std::string& type) {
    if (array.space != "threadgroup" || !scalar_type(type)) fail("a pointer of another type");
    auto other = std::make_unique<Symbol>(array);
    other->type = type;
    other->name = "msim::as<" + type + ">(" + array.name + ")";
    other->width = 1;
    out_.symbols.push_back(std::move(other));
    return out_.symbols.back().get();
  }

  const std::vector<Token>& tokens_;
  std::size_t at_;
  std::vector<std::map<std::string, Symbol*>> scopes_;
  Syntax out_;
};

}  // namespace

bool scalar_type(const std::string& name) { return kTypes.count(name) != 0; }

bool in_memory(const Symbol* s) {
  return s != nullptr && (s->space == "device" || s->space == "threadgroup");
}

Syntax parse_body(const std::vector<Token>& tokens, std::size_t open,
                  const std::vector<Parameter>& parameters) {
  return Parser(tokens, open).run(parameters);
}

}  // namespace msim
