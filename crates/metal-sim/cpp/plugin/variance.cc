#include "variance.h"

namespace msim {
namespace {

using Statements = std::vector<Statement>;

// Finds out which values differ between lanes.
class Variance {
 public:
  void run(Statements& body) {
    do {
      changed_ = false;
      list(body, false);
    } while (changed_);
  }

 private:
  void mark(Symbol* s, bool varying) {
    if (varying && !s->varying) s->varying = changed_ = true;
  }
  bool of(Expr& e) {
    bool any = false;
    for (auto& part : e.parts) any |= of(part);
    switch (e.kind) {
      case Expr::kNumber: any = false; break;
      case Expr::kName: any = e.symbol->varying; break;
      case Expr::kMember: any = e.symbol->varying; break;
      case Expr::kCall: any |= e.text.rfind("simd_", 0) == 0; break;
      case Expr::kIndex:
        if (in_memory(e.symbol)) {
          any = e.parts[1].varying;
        } else {
          if (e.parts[1].varying) throw TranslateError(e.line, "a lane's own subscript");
          any = e.symbol->varying;
        }
        break;
      default: break;
    }
    return e.varying = any;
  }
  void list(Statements& all, bool parted) {
    for (auto& s : all) one(s, parted);
  }
  void one(Statement& s, bool parted) {
    bool value = false, condition = false;
    for (auto& e : s.target) of(e);
    for (auto& e : s.value) value |= of(e);
    for (auto& e : s.condition) condition |= of(e);
    switch (s.kind) {
      case Statement::kDeclare: mark(s.symbol, value); break;
      case Statement::kAssign:
        if (!in_memory(s.target.front().symbol)) mark(s.target.front().symbol, value || parted);
        break;
      case Statement::kFor: mark(s.symbol, value || condition); break;
      case Statement::kWhile: break;
      case Statement::kMatrix:
        if (s.operation == "fill" ? value : s.operation != "multiply" && s.value[1].varying) {
          throw TranslateError(s.line, "a matrix operation that differs between lanes");
        }
        break;
      case Statement::kBarrier:
        if (parted) throw TranslateError(s.line, "a barrier where lanes may have parted");
        break;
      default: break;
    }
    list(s.body, parted || condition);
    list(s.otherwise, parted || condition);
  }

  bool changed_ = false;
};

}  // namespace

void find_variance(Syntax& syntax) { Variance().run(syntax.body); }

}  // namespace msim
