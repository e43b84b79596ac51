#include "translate.h"

#include <set>

#include "../kernel/abi.h"
#include "division.h"
#include "entry.h"
#include "lanes.h"
#include "lex.h"

namespace msim {
namespace {

using Tokens = std::vector<Token>;

constexpr std::uint32_t kThreadgroupLimit = 32768;

bool address_space(const std::string& t) {
  return t == "device" || t == "threadgroup" || t == "thread" || t == "constant";
}

bool starts_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

// Directives that change nothing here: Metal's own headers and loop hints.
bool harmless(const Token& t) {
  return t.kind == Token::kDirective && (starts_with(t.text, "#include <metal_") ||
                                         starts_with(t.text, "#pragma unroll"));
}

// What TVM's generator never writes and this simulator does not know.
void refuse_unknown(const Token& t) {
  if (t.kind == Token::kDirective) throw TranslateError(t.line, "`" + t.text + "`");
  if (t.kind != Token::kWord) return;
  const char* what = nullptr;
  if (starts_with(t.text, "texture")) {
    what = "textures are not simulated";
  } else if (starts_with(t.text, "atomic_")) {
    what = "atomic operations are not simulated";
  } else if (t.text == "bfloat" || t.text == "simdgroup_bfloat8x8") {
    what = "bfloat is not simulated";
  } else if (t.text == "nearbyint") {
    what = "Metal's library has no such function, though TVM writes it";
  }
  if (what != nullptr) throw TranslateError(t.line, "`" + t.text + "`: " + what);
}

class Translator {
 public:
  Translator(const std::string& source, std::string kernel, std::string symbol, bool guard, bool lanes)
      : tokens_(lex(source)), kernel_(std::move(kernel)), symbol_(std::move(symbol)), guard_(guard), lanes_(lanes) {}

  TranslatedKernel run() {
    std::erase_if(tokens_, harmless);
    for (const auto& t : tokens_) refuse_unknown(t);
    spell_out_divisions(tokens_);
    std::size_t at = find_kernel();
    prelude(at);
    at = parameters(at + 3);
    if (lanes_ && by_lanes(at)) return std::move(result_);
    find_updates(at);
    at = body(at);
    if (at != tokens_.size()) fail(at, "text after the kernel");
    result_.writes_checked = guard_;
    result_.body = std::move(out_) + entry_point(kernel_, symbol_, parameters_, result_);
    if (result_.threadgroup_bytes > kThreadgroupLimit) {
      throw TranslateError(1, "needs " + std::to_string(result_.threadgroup_bytes) +
                                  " bytes of threadgroup memory; a threadgroup has " +
                                  std::to_string(kThreadgroupLimit));
    }
    return std::move(result_);
  }

 private:
  // False where the kernel is outside the subset of lanes.cc.
  bool by_lanes(std::size_t at) {
    for (const auto& p : parameters_) {
      if (starts_with(p.type, "ushort")) return false;
    }
    LanesText made;
    try {
      if (closing(at) + 1 != tokens_.size()) return false;
      made = translate_lanes(tokens_, at, parameters_, kernel_);
    } catch (const TranslateError&) {
      return false;
    }
    if (made.threadgroup_bytes > kThreadgroupLimit) return false;
    result_.lanes = true;
    result_.barriers = made.barriers;
    result_.threadgroup_bytes = made.threadgroup_bytes;
    result_.body = std::move(out_) + "\n" + made.text + "}\nextern \"C\" void " + symbol_ +
                   "(msim::Group* g) { " + symbol_ + "_ns::msim_lanes(g); }\n";
    return true;
  }

  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    throw TranslateError(at < tokens_.size() ? tokens_[at].line : last_line(), what);
  }
  int last_line() const { return tokens_.empty() ? 1 : tokens_.back().line; }
  const std::string& text(std::size_t at) const {
    static const std::string nothing;
    return at < tokens_.size() ? tokens_[at].text : nothing;
  }

  std::size_t find_kernel() const {
    for (std::size_t i = 0; i + 2 < tokens_.size(); ++i) {
      if (text(i) == "kernel" && text(i + 1) == "void") {
        if (text(i + 2) != kernel_) fail(i, "kernel `" + kernel_ + "` expected, found `" + text(i + 2) + "`");
        return i;
      }
    }
    throw TranslateError(1, "no kernel in the source");
  }

  // The sign that closes the one at `open`.
  std::size_t closing(std::size_t open) const {
    int depth = 0;
    for (std::size_t i = open; i < tokens_.size(); ++i) {
      const auto& t = tokens_[i];
      if (t.kind != Token::kSign) continue;
      if (t.text == "(" || t.text == "[" || t.text == "{") ++depth;
      if (t.text == ")" || t.text == "]" || t.text == "}") --depth;
      if (depth == 0) return i;
    }
    fail(open, "`" + text(open) + "` is never closed");
  }

  void prelude(std::size_t end) {
    out_ += "namespace " + symbol_ + "_ns {\n#line 1 \"" + kernel_ + ".metal\"\n";
    line_ = 1;
    for (std::size_t i = 0; i < end; ++i) {
      if (address_space(text(i))) continue;
      emit(tokens_[i]);
      if (may_trap(tokens_, i)) raw("msim::Divider() " + text(i) + " ");
    }
  }

  std::size_t parameters(std::size_t open) {
    if (text(open) != "(") fail(open, "`(` expected after the kernel's name");
    std::size_t close = closing(open);
    std::size_t start = open + 1;
    while (start < close) {
      std::size_t end = start;
      while (end < close && text(end) != ",") {
        end = text(end) == "(" || text(end) == "[" ? closing(end) + 1 : end + 1;
      }
      parameter(start, end);
      start = end + 1;
    }
    return close + 1;
  }

  void parameter(std::size_t at, std::size_t end) {
    Parameter p;
    p.line = tokens_[at].line;
    if (address_space(text(at))) p.space = text(at++);
    while (at < end && text(at) != "[") {
      const auto& t = text(at++);
      if (t == "*") p.pointer = true;
      else if (t == "&") p.reference = true;
      else if (t == "const" || t == "volatile" || t == "restrict") continue;
      else if (p.type.empty()) p.type = t;
      else p.name = t;
    }
    // [[ name ]] or [[ name(n) ]]
    if (at + 3 >= end || text(at + 1) != "[") fail(at, "parameter `" + p.name + "` without attribute");
    p.attribute = text(at + 2);
    if (text(at + 3) == "(") p.number = std::stoi(text(at + 4));
    check(p);
    parameters_.push_back(p);
  }

  void check(const Parameter& p) {
    if (p.space == "device" && p.pointer && p.attribute == "buffer") {
      if (result_.buffers.size() != static_cast<std::size_t>(p.number)) {
        throw TranslateError(p.line, "buffer numbers out of order at `" + p.name + "`");
      }
      result_.buffers.push_back(p.name);
      checked_.insert(p.name);
    } else if (p.space == "constant" && p.reference && p.attribute == "buffer") {
      result_.has_constants = true;
      result_.constants_type = p.type;
      result_.constants_at = static_cast<std::uint32_t>(p.number);
    } else if (!p.space.empty() || !(starts_with(p.type, "uint") || starts_with(p.type, "ushort"))) {
      throw TranslateError(p.line, "parameter `" + p.name + "` of an unknown kind");
    }
  }

  std::size_t body(std::size_t open) {
    if (text(open) != "{") fail(open, "`{` expected");
    std::size_t close = closing(open);
    out_ += "\nstatic inline __attribute__((always_inline)) void msim_body(";
    out_ += "[[maybe_unused]] msim::Group* msim_group";
    for (const auto& p : parameters_) out_ += ", [[maybe_unused]] " + type_of(p) + " " + p.name;
    out_ += ") ";
    out_ += "\n#line " + std::to_string(tokens_[open].line) + " \"" + kernel_ + ".metal\"\n";
    line_ = tokens_[open].line;
    std::size_t at = open;
    while (at <= close) at = statement(at, close);
    out_ += "\n";
    return close + 1;
  }

  std::string type_of(const Parameter& p) const {
    if (p.space == "device") return pointer("device", p.type);
    if (p.space == "constant") return "const " + p.type + "&";
    return p.type;
  }

  std::string pointer(const std::string& space, const std::string& type) const {
    if (guard_ && space == "device") return "msim::DevicePointer<" + type + ">";
    if (guard_ && space == "threadgroup") return "msim::SharedPointer<" + type + ">";
    return type + "*";
  }

  // One statement, brace or header from `at`; returns what follows it.
  std::size_t statement(std::size_t at, std::size_t limit) {
    const auto& t = text(at);
    if (t == "{" || t == "}" || t == ";" || t == "else" || t == "do") {
      emit(tokens_[at]);
      return at + 1;
    }
    if (t == "if" || t == "for" || t == "while" || t == "switch") {
      std::size_t close = closing(at + 1);
      expression(at, close + 1);
      return close + 1;
    }
    std::size_t end = statement_end(at, limit);
    if (t == "threadgroup" && text(at + 3) == "[") {
      shared_array(at, end);
    } else {
      assignment(at, end);
    }
    emit(tokens_[end]);
    return end + 1;
  }

  // threadgroup T name[n];  ->  the group's one copy
  void shared_array(std::size_t at, std::size_t end) {
    if (end != at + 6 || tokens_[at + 4].kind != Token::kNumber) {
      fail(at, "a threadgroup array of one literal length expected");
    }
    const std::string& type = text(at + 1);
    const std::string& name = text(at + 2);
    const std::string offset = std::to_string(result_.threadgroup_bytes);
    const std::string& length = text(at + 4);
    std::uint64_t bytes = std::stoull(length) * element_bytes(at + 1);
    if (guard_) {
      raw("msim::SharedPointer<" + type + "> " + name + "(msim_group, \"" + name + "\", " + offset +
          ", sizeof(" + type + ") * " + length + ", 0)");
    } else {
      raw(type + "* const " + name + " = reinterpret_cast<" + type + "*>(msim_group->memory + " +
          offset + ")");
    }
    checked_.insert(name);
    result_.threadgroup_bytes += static_cast<std::uint32_t>((bytes + 15) / 16 * 16);
  }

  std::uint64_t element_bytes(std::size_t at) const {
    std::string type = text(at);
    std::uint64_t lanes = 1;
    if (!type.empty() && type.back() >= '2' && type.back() <= '4') {
      lanes = type.back() == '2' ? 2 : 4;
      type.pop_back();
    }
    if (starts_with(type, "packed_")) {
      type.erase(0, 7);
      lanes = 3;
    }
    if (type == "bool" || type == "char" || type == "uchar") return lanes;
    if (type == "short" || type == "ushort" || type == "half") return 2 * lanes;
    if (type == "int" || type == "uint" || type == "float") return 4 * lanes;
    if (type == "long" || type == "ulong") return 8 * lanes;
    fail(at, "threadgroup array of unknown type `" + text(at) + "`");
  }

  struct Store {
    std::size_t equals = 0;     // the sign
    std::size_t base = 0;       // the word that names the buffer or array
    std::size_t subscript = 0;  // `[` of the last subscript; 0 when stored through `*`
  };

  // Whether [at, end) assigns to device or threadgroup memory.
  bool is_store(std::size_t at, std::size_t end, Store& s) const {
    for (s.equals = at; s.equals < end && text(s.equals) != "=";) {
      s.equals = text(s.equals) == "(" || text(s.equals) == "[" ? closing(s.equals) + 1 : s.equals + 1;
    }
    if (s.equals == end) return false;
    const bool through = text(at) == "*" && text(at + 1) == "(" && checked_space(at + 2);
    s.subscript = through ? 0 : last_subscript(at, s.equals);
    if (!through && s.subscript == s.equals) return false;
    const bool cast = text(at) == "(" && has_checked_space(at, s.subscript);
    if (!through && !cast) {
      s.base = at;
      return s.subscript == at + 1 && checked_.count(text(at)) != 0;
    }
    for (s.base = at; s.base < s.equals && checked_.count(text(s.base)) == 0;) ++s.base;
    return s.base < s.equals;
  }

  // Device buffers that the kernel both reads and writes.
  void find_updates(std::size_t open) {
    std::set<std::string> read, written;
    const std::size_t close = closing(open);
    for (std::size_t at = open + 1; at < close;) {
      std::size_t end = statement_end(at, close);
      Store s;
      if (!is_store(at, end, s)) s.base = 0;
      if (s.base != 0) written.insert(text(s.base));
      for (std::size_t i = at; i < end; ++i) {
        if (i != s.base && checked_.count(text(i)) != 0) read.insert(text(i));
      }
      at = end + 1;
    }
    for (const auto& name : written) {
      if (read.count(name) != 0) updated_.insert(name);
    }
    if (!updated_.empty()) result_.fibers = true;
  }

  // Where a statement, brace or header that starts at `at` ends, exclusive.
  std::size_t statement_end(std::size_t at, std::size_t limit) const {
    const auto& t = text(at);
    if (t == "{" || t == "}" || t == ";" || t == "else" || t == "do") return at;
    if (t == "if" || t == "for" || t == "while" || t == "switch") return closing(at + 1);
    while (at < limit && text(at) != ";") {
      at = text(at) == "(" || text(at) == "[" || text(at) == "{" ? closing(at) + 1 : at + 1;
    }
    return at;
  }

  // In guard mode a store becomes `.put(...)`. A store to a buffer that is also
  // read waits for the other lanes between evaluating and storing.
  void assignment(std::size_t at, std::size_t end) {
    Store s;
    if (!is_store(at, end, s) || (!guard_ && updated_.count(text(s.base)) == 0)) {
      expression(at, end);
      return;
    }
    const bool waits = updated_.count(text(s.base)) != 0;
    if (waits) {
      raw("{ auto msim_value = ");
      expression(s.equals + 1, end);
      raw("; msim::lock_step(msim_group, __LINE__); ");
    }
    auto value = [&] { waits ? raw("msim_value") : expression(s.equals + 1, end); };
    if (!guard_) {
      expression(at, s.equals);
      raw("= ");
      value();
    } else if (s.subscript == 0) {
      raw("(");
      expression(at + 1, s.equals);
      raw(").put(");
      value();
      raw(")");
    } else {
      expression(at, s.subscript);
      raw(".put(");
      expression(s.subscript + 1, s.equals - 1);
      raw(", ");
      value();
      raw(")");
    }
    if (waits) raw("; }");
  }

  bool checked_space(std::size_t at) const {
    if (text(at) == "volatile") ++at;
    return text(at) == "device" || text(at) == "threadgroup";
  }
  bool has_checked_space(std::size_t at, std::size_t end) const {
    for (; at < end; ++at) {
      if (checked_space(at)) return true;
    }
    return false;
  }

  // Where the subscript that ends just before `end` opens; `end` if there is none.
  std::size_t last_subscript(std::size_t at, std::size_t end) const {
    while (at < end) {
      std::size_t next = text(at) == "(" || text(at) == "[" ? closing(at) + 1 : at + 1;
      if (text(at) == "[" && next == end) return at;
      at = next;
    }
    return end;
  }

  // Copies words; rewrites pointer types.
  void expression(std::size_t at, std::size_t end) {
    while (at < end) {
      const auto& t = tokens_[at];
      if (waits(t)) result_.fibers = true;
      if (guard_ && t.text == "&" && address(at)) {
        at = closing(at + 1) + 1;
      } else if (t.text == "volatile" || (t.text == "const" && address_space(text(at + 1)))) {
        ++at;
      } else if (address_space(t.text)) {
        std::string space = t.text;
        if (text(++at) == "const") ++at;
        if (text(at + 1) == "*") {
          raw(" " + pointer(space, text(at)) + " ");
          at += 2;
        } else if (space != "thread") {
          fail(at, "`" + space + "` other than before a pointer or an array");
        }
      } else {
        emit(t);
        if (may_trap(tokens_, at)) {
          raw((guard_ ? "msim::Divider{msim_group, __LINE__} " : "msim::Divider() ") + t.text + " ");
        }
        ++at;
      }
    }
  }

  static bool waits(const Token& t) {
    return t.kind == Token::kWord &&
           (starts_with(t.text, "simd_") || starts_with(t.text, "quad_") ||
            starts_with(t.text, "simdgroup_") ||
            starts_with(t.text, "make_filled_simdgroup_") || t.text == "threadgroup_barrier");
  }

  // `&(` at `at`, the address of an element that guard mode reads by value: a
  // pointer is moved instead. False when it is something else.
  bool address(std::size_t at) {
    if (text(at - 1) != "(" || text(at + 1) != "(") return false;  // not the binary `&`
    const std::size_t open = at + 1, close = closing(open);
    const std::size_t subscript = last_subscript(open + 1, close);
    if (text(open + 1) == "*" && text(open + 2) == "(" && checked_space(open + 3)) {
      raw("(");
      expression(open + 2, close);
      raw(")");
    } else if (subscript != close && (has_checked_space(open + 1, subscript) ||
                                      checked_.count(text(subscript - 1)) != 0)) {
      raw("(");
      expression(open + 1, subscript);
      raw(" + (");
      expression(subscript + 1, close - 1);
      raw("))");
    } else {
      return false;
    }
    return true;
  }

  void emit(const Token& t) {
    for (; line_ < t.line; ++line_) out_ += '\n';
    bool half = t.kind == Token::kNumber && t.text.back() == 'h';
    out_ += half ? "((half)" + t.text.substr(0, t.text.size() - 1) + "f)" : t.text;
    out_ += ' ';
  }
  void raw(const std::string& text) { out_ += text; }

  Tokens tokens_;
  std::string kernel_, symbol_;
  bool guard_, lanes_;
  std::vector<Parameter> parameters_;
  std::set<std::string> checked_;  // device buffers and threadgroup arrays
  std::set<std::string> updated_;  // device buffers that are read and written
  std::string out_;
  int line_ = 1;
  TranslatedKernel result_;
};

}  // namespace

TranslatedKernel translate(const std::string& source, const std::string& kernel,
                           const std::string& symbol, bool guard, bool lanes) {
  TranslatedKernel made = Translator(source, kernel, symbol, guard, lanes).run();
  if (made.has_constants) {
    made.body += "extern \"C\" const unsigned " + symbol + "_constants = sizeof(" + symbol +
                 "_ns::" + made.constants_type + ");\n";
  }
  return made;
}

}  // namespace msim
