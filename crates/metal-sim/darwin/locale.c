// The C locale, the only one here: functions that take a locale ignore it.
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <xlocale.h>

#include "host.h"

static char empty[] = "", point[] = ".";
static struct lconv conventions = {
    .decimal_point = point, .thousands_sep = empty, .grouping = empty, .int_curr_symbol = empty,
    .currency_symbol = empty, .mon_decimal_point = empty, .mon_thousands_sep = empty,
    .mon_grouping = empty, .positive_sign = empty, .negative_sign = empty,
    .int_frac_digits = 127, .frac_digits = 127, .p_cs_precedes = 127, .p_sep_by_space = 127,
    .n_cs_precedes = 127, .n_sep_by_space = 127, .p_sign_posn = 127, .n_sign_posn = 127,
    .int_p_cs_precedes = 127, .int_n_cs_precedes = 127, .int_p_sep_by_space = 127,
    .int_n_sep_by_space = 127, .int_p_sign_posn = 127, .int_n_sign_posn = 127};

struct lconv* localeconv(void) { return &conventions; }
struct lconv* localeconv_l(locale_t l) { return &conventions; }

static int known(const char* name) {
  return !name || !*name || !strcmp(name, "C") || !strcmp(name, "POSIX");
}
char* setlocale(int category, const char* name) { return known(name) ? "C" : NULL; }
locale_t newlocale(int mask, const char* name, locale_t base) {
  if (known(name)) return (locale_t)&conventions;
  errno = ENOENT;
  return NULL;
}
locale_t uselocale(locale_t l) { return (locale_t)&conventions; }
locale_t duplocale(locale_t l) { return l; }
int freelocale(locale_t l) { return 0; }
int ___mb_cur_max(void) { return 1; }
int ___mb_cur_max_l(locale_t l) { return 1; }

double strtod_l(const char* s, char** end, locale_t l) { return strtod(s, end); }
float strtof_l(const char* s, char** end, locale_t l) { return strtof(s, end); }
long double strtold(const char* s, char** end) { return strtod(s, end); }
long double strtold_l(const char* s, char** end, locale_t l) { return strtod(s, end); }
long strtol_l(const char* s, char** end, int base, locale_t l) { return strtol(s, end, base); }
long long strtoll_l(const char* s, char** end, int base, locale_t l) { return strtoll(s, end, base); }
unsigned long long strtoull_l(const char* s, char** end, int base, locale_t l) {
  return strtoull(s, end, base);
}
int strcoll(const char* a, const char* b) { return strcmp(a, b); }
int strcoll_l(const char* a, const char* b, locale_t l) { return strcmp(a, b); }
int wcscoll_l(const wchar_t* a, const wchar_t* b, locale_t l) { return wcscmp(a, b); }
size_t strxfrm_l(char* to, const char* from, size_t n, locale_t l) {
  size_t length = strlen(from);
  if (n) memcpy(to, from, length < n ? length + 1 : n);
  return length;
}
size_t strftime_l(char* to, size_t n, const char* format, const struct tm* t, locale_t l) {
  return strftime(to, n, format, t);
}

int snprintf_l(char* to, size_t n, locale_t l, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = host_vsnprintf(to, n, format, arguments);
  va_end(arguments);
  return length;
}
int asprintf_l(char** to, locale_t l, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(to, format, arguments);
  va_end(arguments);
  return length;
}

// One byte, one character.
wint_t btowc_l(int c, locale_t l) { return c < 0 || c > 127 ? WEOF : c; }
int wctob_l(wint_t c, locale_t l) { return c < 0 || c > 127 ? EOF : c; }
size_t mbrtowc_l(wchar_t* to, const char* s, size_t n, mbstate_t* state, locale_t l) {
  if (!s) return 0;
  if (!n) return (size_t)-2;
  if (to) *to = (unsigned char)*s;
  return *s != 0;
}
size_t mbrlen_l(const char* s, size_t n, mbstate_t* state, locale_t l) {
  return mbrtowc_l(NULL, s, n, state, l);
}
int mbtowc_l(wchar_t* to, const char* s, size_t n, locale_t l) {
  return s ? (int)mbrtowc_l(to, s, n, NULL, l) : 0;
}
size_t wcrtomb_l(char* to, wchar_t c, mbstate_t* state, locale_t l) {
  if (!to) return 1;
  if (c < 0 || c > 255) {
    errno = EILSEQ;
    return (size_t)-1;
  }
  *to = (char)c;
  return 1;
}
