// The statements of a kernel's body as a tree, for plugin/lanes.cc.
//
// Knows the scalar subset of what TVM's generator writes; throws TranslateError for
// anything else, and the kernel is translated thread by thread instead (translate.cc).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "entry.h"
#include "lex.h"

namespace msim {

struct Symbol {
  std::string space;   // device, threadgroup, constant, position, matrix, or nothing
  std::string type, name;
  std::string length;  // of an array
  int width = 1;         // elements of a vector, `type` being that of one
  bool varying = false;  // differs between the lanes of a simd-group
  bool stored = false;   // the kernel writes it
  int declared = 0;      // order of declaration
};

struct Expr {
  enum Kind { kNumber, kName, kUnary, kBinary, kCast, kCall, kIndex, kMember };
  Kind kind;
  std::string text;  // number, operator, type, function or member
  Symbol* symbol = nullptr;
  std::vector<Expr> parts;
  int line = 0;
  int width = 1;  // of a vector: kCast, kCall (its constructor), kIndex
  bool varying = false;
};

struct Statement {
  enum Kind { kDeclare, kAssign, kIf, kFor, kBlock, kBarrier, kMatrix, kWhile, kNothing };
  Kind kind;
  int line = 0;
  Symbol* symbol = nullptr;               // kDeclare, kFor
  std::vector<Expr> target;               // kAssign; kMatrix: the matrices
  std::vector<Expr> value;                // kDeclare (may lack), kAssign, kFor's first;
                                          // kMatrix: what fills it, or element and row length
  std::vector<Expr> condition;            // kIf, kFor, kWhile
  std::vector<Statement> body, otherwise; // kIf, kFor, kWhile, kBlock
  std::string operation;                  // kMatrix: fill, load, store, multiply
  bool transposed = false;                // kMatrix: in memory
};

struct Syntax {
  std::vector<std::unique_ptr<Symbol>> symbols;
  std::vector<Statement> body;
};

bool scalar_type(const std::string& name);
// A device buffer or an array of the threadgroup.
bool in_memory(const Symbol* symbol);

// The body that opens at `tokens[open]`.
Syntax parse_body(const std::vector<Token>& tokens, std::size_t open,
                  const std::vector<Parameter>& parameters);

}  // namespace msim
