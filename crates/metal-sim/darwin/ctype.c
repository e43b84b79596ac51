// Character classes of the C locale, in the table that Apple's inline functions
// and libc++ read.
#include <runetype.h>

#include "host.h"

#undef isascii
#define LOWER 0x1000u
#define UPPER 0x8000u
#define SPACE 0x4000u
#define BLANK 0x20000u
#define CONTROL 0x200u
#define ALPHA 0x100u
#define DIGIT 0x400u
#define HEX 0x10000u
#define PUNCT 0x2000u
#define GRAPH 0x800u
#define PRINT 0x40000u

_RuneLocale _DefaultRuneLocale = {.__magic = "RuneMagA", .__encoding = "NONE", .__invalid_rune = 0xfffd};
_RuneLocale* _CurrentRuneLocale = &_DefaultRuneLocale;
int __mb_cur_max = 1;

static unsigned class_of(int c) {
  if (c > 126 || c < 0) return c == 127 ? CONTROL : 0;
  if (c < 32) {
    unsigned space = (c >= 9 && c <= 13) ? SPACE : 0;
    return CONTROL | space | (c == 9 ? BLANK : 0);
  }
  if (c == 32) return SPACE | BLANK | PRINT;
  if (c >= '0' && c <= '9') return DIGIT | HEX | GRAPH | PRINT | (unsigned)(c - '0');
  int low = c | 32;
  if (low < 'a' || low > 'z') return PUNCT | GRAPH | PRINT;
  unsigned kind = ALPHA | GRAPH | PRINT | (c == low ? LOWER : UPPER);
  return low <= 'f' ? kind | HEX | (unsigned)(low - 'a' + 10) : kind;
}

__attribute__((constructor(101))) static void fill(void) {
  for (int c = 0; c < 256; ++c) {
    unsigned kind = class_of(c);
    _DefaultRuneLocale.__runetype[c] = kind;
    _DefaultRuneLocale.__maplower[c] = (kind & UPPER) ? (c | 32) : c;
    _DefaultRuneLocale.__mapupper[c] = (kind & LOWER) ? (c & ~32) : c;
  }
}

int __maskrune(int c, unsigned long mask) { return (int)(class_of(c) & mask); }
int __maskrune_l(int c, unsigned long mask, void* l) { return __maskrune(c, mask); }
unsigned long ___runetype(int c) { return class_of(c); }
int ___tolower(int c) { return (class_of(c) & UPPER) ? (c | 32) : c; }
int ___toupper(int c) { return (class_of(c) & LOWER) ? (c & ~32) : c; }
int ___tolower_l(int c, void* l) { return ___tolower(c); }
int ___toupper_l(int c, void* l) { return ___toupper(c); }
int __tolower(int c) { return ___tolower(c); }
int __toupper(int c) { return ___toupper(c); }

#define CLASS(name, mask)                                                  \
  int is##name(int c) { return (class_of(c) & (mask)) != 0; }              \
  int is##name##_l(int c, void* l) { return (class_of(c) & (mask)) != 0; } \
  int isw##name(int c) { return (class_of(c) & (mask)) != 0; }             \
  int isw##name##_l(int c, void* l) { return (class_of(c) & (mask)) != 0; }
CLASS(alpha, ALPHA)
CLASS(digit, DIGIT)
CLASS(alnum, ALPHA | DIGIT)
CLASS(xdigit, HEX)
CLASS(lower, LOWER)
CLASS(upper, UPPER)
CLASS(space, SPACE)
CLASS(blank, BLANK)
CLASS(cntrl, CONTROL)
CLASS(punct, PUNCT)
CLASS(graph, GRAPH)
CLASS(print, PRINT)

#define CASE(name, does)                                  \
  int name(int c) { return does(c); }                     \
  int name##_l(int c, void* l) { return does(c); }
CASE(tolower, ___tolower)
CASE(toupper, ___toupper)
CASE(towlower, ___tolower)
CASE(towupper, ___toupper)
int iswctype_l(int c, unsigned mask, void* l) { return (class_of(c) & mask) != 0; }
