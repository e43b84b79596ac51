#include "lanes.h"

#include <map>
#include <utility>

#include "syntax.h"
#include "variance.h"

namespace msim {
namespace {

using Statements = std::vector<Statement>;

// A local array of a lane's own may need this much for all 32.
constexpr std::uint64_t kLargestLocal = 48 * 1024;

bool starts_with(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

std::uint32_t size_of(const std::string& type) {
  if (type == "char" || type == "uchar") return 1;
  if (type == "short" || type == "ushort" || type == "half") return 2;
  return type == "long" || type == "ulong" ? 8 : 4;
}

class Emitter {
 public:
  explicit Emitter(const std::vector<Parameter>& parameters) : parameters_(parameters) {}

  LanesText run(Syntax& syntax) {
    memo_.emplace_back();
    for (auto& s : syntax.body) statement(s, "msim_m0", true);
    std::string head =
        "static inline void msim_lanes(msim::Group* g) {\n"
        "const msim::Mask msim_m0 = msim::Mask::first(g->threads - g->linear);\n"
        "const uint* const msim_at = g->positions + g->linear;\n"
        "msim::Lane<uint> msim_x, msim_y, msim_z;\n"
        "__builtin_memcpy(&msim_x, msim_at, 128);\n"
        "__builtin_memcpy(&msim_y, msim_at + g->position_stride, 128);\n"
        "__builtin_memcpy(&msim_z, msim_at + 2 * g->position_stride, 128);\n";
    for (const auto& p : parameters_) head += parameter(p);
    head += patterns_text_;
    result_.text = head + out_ + "}\n";
    return std::move(result_);
  }

 private:
  [[noreturn]] static void fail(int line, const std::string& what) { throw TranslateError(line, what); }

  std::string parameter(const Parameter& p) const {
    const std::string n = std::to_string(p.number);
    if (p.space == "device") {
      return "const msim::View<" + p.type + "> " + p.name + "{reinterpret_cast<" + p.type +
             "*>(g->buffers[" + n + "].data), reinterpret_cast<" + p.type + "*>(g->buffers[" + n +
             "].data + g->buffers[" + n + "].bytes)};\n";
    }
    if (p.space == "constant") {
      return "const auto& " + p.name + " = *reinterpret_cast<const " + p.type + "*>(g->constants);\n";
    }
    if (p.attribute != "threadgroup_position_in_grid") return "";
    std::string value = "g->position[0]";
    if (p.type != "uint") value += ", g->position[1]";
    if (p.type == "uint3") value += ", g->position[2]";
    return "const " + p.type + " " + p.name + "(" + value + ");\n";
  }

  // ---- expressions

  static bool is_unsigned(const Expr& e) {
    switch (e.kind) {
      case Expr::kCast: return starts_with(e.text, "u");
      case Expr::kNumber: return e.text.find('u') != std::string::npos;
      case Expr::kName: return starts_with(e.symbol->type, "u");
      case Expr::kMember: return e.symbol->space == "position";
      case Expr::kIndex: return starts_with(e.symbol->type, "u");
      case Expr::kCall: return true;  // not known
      case Expr::kBinary:
        if (e.text == "<<" || e.text == ">>") return is_unsigned(e.parts[0]);
        [[fallthrough]];
      default:
        for (const auto& part : e.parts) {
          if (is_unsigned(part)) return true;
        }
        return false;
    }
  }
  // The same from the kernel's beginning to its end: of positions, arguments and of what
  // was computed from these once. A division could only be by a number that is written.
  bool is_fixed(const Expr& e) const {
    if (e.kind == Expr::kCall) return false;
    if (e.kind == Expr::kIndex) return e.symbol->space == "constant" && is_fixed(e.parts[1]);
    if (e.kind == Expr::kName || e.kind == Expr::kMember) {
      return e.symbol->space == "position" || e.symbol->space == "constant" || fixed_.count(e.symbol) != 0;
    }
    if (e.kind == Expr::kBinary && (e.text == "/" || e.text == "%") && !is_number(e.parts[1])) return false;
    for (const auto& part : e.parts) {
      if (!is_fixed(part)) return false;
    }
    return true;
  }
  // A number that is written, and is not zero.
  static bool is_number(const Expr& e) {
    return (e.kind == Expr::kNumber && e.text.find_first_of("123456789") != std::string::npos) || (e.kind == Expr::kCast && is_number(e.parts[0]));
  }

  struct Place {
    std::string shared;              // the part that all lanes have in common
    std::vector<const Expr*> fixed;  // summands of the lanes' positions
    std::vector<const Expr*> moving; // other summands that differ
    std::vector<bool> fixed_minus, moving_minus;
  };
  void split(const Expr& e, bool minus, Place& place) {
    if (e.kind == Expr::kBinary && (e.text == "+" || e.text == "-") && e.varying) {
      split(e.parts[0], minus, place);
      split(e.parts[1], e.text == "-" ? !minus : minus, place);
    } else if (!e.varying) {
      place.shared += std::string(minus ? " - " : " + ") + "static_cast<long>(" + plain(e) + ")";
    } else if (is_fixed(e)) {
      place.fixed.push_back(&e);
      place.fixed_minus.push_back(minus);
    } else {
      place.moving.push_back(&e);
      place.moving_minus.push_back(minus);
    }
  }
  std::string sum(const std::vector<const Expr*>& terms, const std::vector<bool>& minus, bool fixed) {
    std::string text = "(msim::Lane<long>(0l)";
    for (std::size_t i = 0; i < terms.size(); ++i) {
      const bool before = std::exchange(spelled_out_, fixed);
      text += std::string(minus[i] ? " - " : " + ") + "msim::to<long>(" + expression(*terms[i]) + ")";
      spelled_out_ = before;
    }
    return text + ")";
  }

  // `SHARED, PATTERN` or, where all lanes mean one element, `SHARED`.
  std::string place(const Expr& index, const std::string& mask) {
    Place p;
    if (index.varying && is_unsigned(index)) {
      p.moving.push_back(&index);
      p.moving_minus.push_back(false);
    } else {
      split(index, false, p);
    }
    const std::string shared = "0l" + p.shared;
    if (!p.moving.empty()) {
      std::string all = sum(p.moving, p.moving_minus, false);
      if (!p.fixed.empty()) all = "(" + all + " + " + sum(p.fixed, p.fixed_minus, true) + ")";
      return shared + ", msim::Pattern(" + all + ", " + mask + ")";
    }
    if (p.fixed.empty()) return shared;
    const std::string text = sum(p.fixed, p.fixed_minus, true);
    auto [found, is_new] = patterns_.emplace(text, "msim_p" + std::to_string(patterns_.size()));
    if (is_new) {
      patterns_text_ += "const msim::Pattern " + found->second + "(" + text + ", msim_m0);\n";
    }
    return shared + ", " + found->second;
  }

  // Names that keep their value as long as the scope that is open.
  static bool settled(const Expr& e) {
    if (e.kind == Expr::kCall) return false;
    if (e.symbol != nullptr && e.symbol->stored) return false;
    for (const auto& part : e.parts) {
      if (!settled(part)) return false;
    }
    return true;
  }

  std::string load(const Expr& e) {
    const std::string where = place(e.parts[1], mask_);
    const bool varying = e.varying;
    std::string text = "msim::load" + vector(e.width, "_vector") + "(" + e.symbol->name + ", " + where +
                       (varying ? ", " + mask_ : "") + ")";
    if (inline_ || e.symbol->stored || e.symbol->space != "device" || !settled(e.parts[1])) return text;
    for (const auto& scope : memo_) {
      auto found = scope.find(text);
      if (found != scope.end()) return found->second;
    }
    const std::string name = "msim_l" + std::to_string(++loads_);
    out_ += "const auto " + name + " = " + text + ";\n";
    memo_.back()[text] = name;
    return name;
  }

  // `name`, for vectors with their width.
  static std::string vector(int width, const std::string& name) {
    return width == 1 ? "" : name + "<" + std::to_string(width) + ">";
  }
  // Several elements of an array of the lane's own.
  static bool is_parts(const Expr& e) { return e.kind == Expr::kIndex && e.width > 1 && e.symbol->width == 1; }

  static bool loads(const Expr& e) {
    if (e.kind == Expr::kIndex && in_memory(e.symbol)) return true;
    for (const auto& part : e.parts) {
      if (loads(part)) return true;
    }
    return false;
  }

  std::string plain(const Expr& e) {
    return expression(e);
  }

  std::string expression(const Expr& e) {
    switch (e.kind) {
      case Expr::kNumber:
        return e.text.back() == 'h' ? "((half)" + e.text.substr(0, e.text.size() - 1) + "f)" : e.text;
      case Expr::kName:
        if (e.symbol->space == "position" && e.symbol->varying) {
          if (e.symbol->type != "uint") fail(e.line, "a position as a vector");
          return "msim_x";
        }
        if (in_memory(e.symbol)) fail(e.line, "an address");
        if (spelled_out_ && fixed_.count(e.symbol) != 0) {
          return "msim::to<" + e.symbol->type + ">(" + expression(*fixed_.at(e.symbol)) + ")";
        }
        return e.symbol->name;
      case Expr::kMember:
        if (e.symbol->space == "position" && e.symbol->varying) return "msim_" + e.text;
        return e.symbol->name + "." + e.text;
      case Expr::kUnary: return "(" + e.text + expression(e.parts[0]) + ")";
      case Expr::kCast:
        return (e.width == 1 ? "msim::to<" + e.text : "msim::to_vector<" + e.text + ", " + std::to_string(e.width)) +
               ">(" + expression(e.parts[0]) + ")";
      case Expr::kIndex:
        if (in_memory(e.symbol)) return load(e);
        if (is_parts(e)) return "msim::parts<" + std::to_string(e.width) + ">(" + address(e) + ")";
        return expression(e.parts[0]) + "[" + expression(e.parts[1]) + "]";
      case Expr::kCall: return call(e);
      case Expr::kBinary: {
        const std::string left = expression(e.parts[0]);
        const bool lazy = e.text == "&&" || e.text == "||";
        if (lazy && loads(e.parts[1])) {
          // A lane that the left side decides must not read.
          const bool before = std::exchange(inline_, true);
          const std::string outer = mask_;
          if (e.varying) mask_ = "msim_m" + std::to_string(++masks_);
          const std::string right = expression(e.parts[1]), inner = std::exchange(mask_, outer);
          inline_ = before;
          if (!e.varying) return "(" + left + " " + e.text + " " + right + ")";
          return std::string("msim::lazily_") + (e.text == "&&" ? "and" : "or") + "(" + left + ", " + outer +
                 ", [&](const msim::Mask& " + inner + ") { return " + right + "; })";
        }
        // One for all lanes; what differs between them takes care of itself (lane.h).
        const bool traps = (e.text == "/" || e.text == "%") && !e.varying && !is_number(e.parts[1]);
        const std::string sign = traps ? e.text + " msim::Divider() " + e.text : e.text;
        return "(" + left + " " + sign + " " + expression(e.parts[1]) + ")";
      }
    }
    fail(e.line, "an expression");
  }

  std::string address(const Expr& e) {
    return e.symbol->name + " + (" + expression(e.parts[1]) + ")";
  }

  std::string call(const Expr& e) {
    std::string arguments;
    for (const auto& part : e.parts) arguments += (arguments.empty() ? "" : ", ") + expression(part);
    if (e.width > 1) return "msim::vector<" + e.text + ", " + std::to_string(e.width) + ">(" + arguments + ")";
    static const std::map<std::string, std::string> exchanges = {
        {"simd_shuffle", "shuffle"},           {"simd_broadcast", "shuffle"},
        {"simd_shuffle_down", "shuffle_down"}, {"simd_shuffle_up", "shuffle_up"},
        {"simd_shuffle_xor", "shuffle_xor"}};
    auto exchange = exchanges.find(e.text);
    if (exchange != exchanges.end()) {
      return "msim::lanes_" + exchange->second + "(" + arguments + ", " + mask_ + ")";
    }
    for (const char* unknown : {"simd", "quad", "atomic", "make_", "threadgroup"}) {
      if (starts_with(e.text, unknown)) fail(e.line, "`" + e.text + "`");
    }
    if (!e.varying) return e.text + "(" + arguments + ")";
    return "msim::each([](auto... a) { return " + e.text + "(a...); }, " + arguments + ")";
  }

  // ---- statements

  // `together`: no branch has parted the lanes on the way here.
  void block(Statements& all, const std::string& mask, bool together) {
    memo_.emplace_back();
    out_ += "{\n";
    for (auto& s : all) statement(s, mask, together);
    out_ += "}\n";
    memo_.pop_back();
  }

  void statement(Statement& s, const std::string& mask, bool together) {
    mask_ = mask;
    switch (s.kind) {
      case Statement::kNothing: return;
      case Statement::kBlock: return block(s.body, mask, together);
      case Statement::kBarrier:
        result_.barriers = true;
        out_ += "g->wait(g, msim::kBarrier, " + std::to_string(s.line) + ");\n";
        return;
      case Statement::kDeclare: return declare(s);
      case Statement::kAssign: return assign(s, together);
      case Statement::kIf: return branch(s, together);
      case Statement::kFor: return loop(s, together);
      case Statement::kMatrix: return matrix(s);
      case Statement::kWhile: return endless(s, together);
    }
  }

  // All lanes take part, or what a GPU does is undefined.
  void matrix(Statement& s) {
    std::string text = "msim::tile_" + s.operation + "(";
    for (std::size_t i = 0; i < s.target.size(); ++i) text += (i == 0 ? "" : ", ") + expression(s.target[i]);
    if (s.operation == "fill") {
      text += ", " + expression(s.value[0]);
    } else if (s.operation != "multiply") {
      const std::string where = place(s.value[0].parts[1], mask_);
      text += ", " + s.value[0].symbol->name + ", msim::place_of(" + where + "), " + expression(s.value[1]) +
              ", " + (s.transposed ? "true" : "false");
    }
    out_ += text + ");\n";
  }

  void declare(Statement& s) {
    const Symbol& v = *s.symbol;
    if (v.space == "matrix") {
      out_ += "msim::Tile<" + v.type + "> " + v.name + "[" + v.length + "];\n";
      return;
    }
    if (v.space == "threadgroup") {
      const std::uint64_t bytes = std::stoull(v.length) * size_of(v.type) * v.width;
      const std::string begin = "g->memory + " + std::to_string(result_.threadgroup_bytes);
      out_ += "const msim::View<" + v.type + "> " + v.name + "{reinterpret_cast<" + v.type + "*>(" + begin +
              "), reinterpret_cast<" + v.type + "*>(" + begin + " + " + std::to_string(bytes) + ")};\n";
      if (bytes > 32768) fail(s.line, "threadgroup memory");
      result_.threadgroup_bytes += static_cast<std::uint32_t>((bytes + 15) / 16 * 16);
      return;
    }
    const std::string elements = v.type + ", " + std::to_string(v.width);
    const std::string type = v.width > 1 ? (v.varying ? "msim::Wide<" : "metal::vec<") + elements + ">"
                             : v.varying ? "msim::Lane<" + v.type + ">"
                                         : v.type;
    if (!v.length.empty()) {
      local_ += std::stoull(v.length) * size_of(v.type) * 32 * v.width;
      if (local_ > kLargestLocal) fail(s.line, "too much of a lane's own memory");
      out_ += type + " " + v.name + "[" + v.length + "];\n";
    } else if (s.value.empty()) {
      out_ += type + " " + v.name + "{};\n";
    } else {
      const std::string value = expression(s.value[0]);
      out_ += type + " " + v.name + " = " + converted(v, v.width, value) + ";\n";
      if (!v.stored && v.width == 1 && is_fixed(s.value[0])) fixed_[s.symbol] = &s.value[0];
    }
  }
  static std::string converted(const Symbol& v, int width, const std::string& value) {
    if (width == 1) return (v.varying ? "msim::spread<" : "msim::to<") + v.type + ">(" + value + ")";
    return (v.varying ? "msim::spread_wide<" : "msim::to_vector<") + v.type + ", " + std::to_string(width) + ">(" +
           value + ")";
  }

  void assign(Statement& s, bool together) {
    const Expr& target = s.target[0];
    const std::string value = expression(s.value[0]);
    const Symbol& v = *target.symbol;
    if (in_memory(&v)) {
      if (target.kind != Expr::kIndex) fail(s.line, "assignment to an array");
      const std::string made = target.width > 1 ? value
                               : (s.value[0].varying ? "msim::spread<" : "msim::to<") + v.type + ">(" + value + ")";
      out_ += "msim::store" + vector(target.width, "_vector") + "(" + v.name + ", " + place(target.parts[1], mask_) +
              ", " + made + ", " + mask_ + ");\n";
      return;
    }
    const bool whole = !v.varying || together;
    if (is_parts(target)) {
      out_ += std::string(whole ? "msim::set_parts<" : "msim::assign_parts<") + std::to_string(target.width) + ">(" +
              address(target) + ", " + value + (whole ? "" : ", " + mask_) + ");\n";
      return;
    }
    const std::string name = expression(target);
    if (whole) {
      out_ += name + " = " + converted(v, target.kind == Expr::kName ? v.width : target.width, value) + ";\n";
    } else {
      out_ += "msim::assign(" + name + ", " + value + ", " + mask_ + ");\n";
    }
  }

  void branch(Statement& s, bool together) {
    const std::string outer = mask_, condition = expression(s.condition[0]);
    if (!s.condition[0].varying) {
      out_ += "if (" + condition + ")\n";
      block(s.body, outer, together);
      if (s.otherwise.empty()) return;
      out_ += "else\n";
      block(s.otherwise, outer, together);
      return;
    }
    const std::string n = std::to_string(++masks_);
    out_ += "const msim::Lane<bool> msim_c" + n + " = msim::spread<bool>(" + condition + ");\n";
    out_ += "const msim::Mask msim_m" + n + " = " + outer + ".with(msim_c" + n + ");\n";
    out_ += "if (msim_m" + n + ".any())\n";
    block(s.body, "msim_m" + n, false);
    if (s.otherwise.empty()) return;
    out_ += "const msim::Mask msim_e" + n + " = " + outer + ".with(!msim_c" + n + ");\n";
    out_ += "if (msim_e" + n + ".any())\n";
    block(s.otherwise, "msim_e" + n, false);
  }

  void loop(Statement& s, bool together) {
    const Symbol& v = *s.symbol;
    const std::string outer = mask_, first = converted(v, 1, expression(s.value[0]));
    const bool before = std::exchange(inline_, true);
    if (!s.condition[0].varying) {
      out_ += "for (" + v.type + " " + v.name + " = " + first + "; " + expression(s.condition[0]) + "; ++" + v.name + ")\n";
      inline_ = before;
      return block(s.body, outer, together);
    }
    const std::string mask = "msim_m" + std::to_string(++masks_);
    out_ += "{\nmsim::Lane<" + v.type + "> " + v.name + " = " + first + ";\nmsim::Mask " + mask + " = " + outer + ";\n";
    mask_ = mask;
    out_ += "for (;;) {\n" + mask + " = " + mask + ".with(msim::spread<bool>(" + expression(s.condition[0]) +
            "));\nif (!" + mask + ".any()) break;\n";
    inline_ = before;
    block(s.body, mask, false);
    out_ += v.name + " = msim::spread<" + v.type + ">(" + v.name + " + static_cast<" + v.type + ">(1));\n}\n}\n";
  }

  void endless(Statement& s, bool together) {
    const std::string outer = mask_;
    const bool before = std::exchange(inline_, true);
    if (!s.condition[0].varying) {
      out_ += "while (" + expression(s.condition[0]) + ")\n";
      inline_ = before;
      return block(s.body, outer, together);
    }
    const std::string mask = "msim_m" + std::to_string(++masks_);
    out_ += "{\nmsim::Mask " + mask + " = " + outer + ";\n";
    mask_ = mask;
    out_ += "for (;;) {\n" + mask + " = " + mask + ".with(msim::spread<bool>(" + expression(s.condition[0]) +
            "));\nif (!" + mask + ".any()) break;\n";
    inline_ = before;
    block(s.body, mask, false);
    out_ += "}\n}\n";
  }

  const std::vector<Parameter>& parameters_;
  LanesText result_;
  std::string out_, patterns_text_, mask_;
  std::map<std::string, std::string> patterns_;
  std::vector<std::map<std::string, std::string>> memo_;
  std::uint64_t local_ = 0;
  std::map<const Symbol*, const Expr*> fixed_;  // names for fixed values
  int masks_ = 0, loads_ = 0;
  bool inline_ = false, spelled_out_ = false;
};

}  // namespace

LanesText translate_lanes(const std::vector<Token>& tokens, std::size_t body,
                          const std::vector<Parameter>& parameters, const std::string& kernel) {
  Syntax syntax = parse_body(tokens, body, parameters);
  find_variance(syntax);
  LanesText made = Emitter(parameters).run(syntax);
  made.text = "#line 1 \"" + kernel + ".metal\"\n" + made.text;
  return made;
}

}  // namespace msim
