// Division of 128-bit numbers, which Apple has in libSystem.
typedef __int128 wide;
typedef unsigned __int128 unsigned_wide;

static unsigned_wide divide(unsigned_wide number, unsigned_wide by, unsigned_wide* rest) {
  unsigned_wide quotient = 0, left = 0;
  for (int bit = 127; bit >= 0; --bit) {
    left = left << 1 | (number >> bit & 1);
    if (left >= by) {
      left -= by;
      quotient |= (unsigned_wide)1 << bit;
    }
  }
  *rest = left;
  return quotient;
}
static unsigned_wide magnitude(wide number) {
  return number < 0 ? -(unsigned_wide)number : (unsigned_wide)number;
}

unsigned_wide __udivti3(unsigned_wide number, unsigned_wide by) {
  unsigned_wide rest;
  return divide(number, by, &rest);
}
unsigned_wide __umodti3(unsigned_wide number, unsigned_wide by) {
  unsigned_wide rest;
  divide(number, by, &rest);
  return rest;
}
wide __divti3(wide number, wide by) {
  unsigned_wide rest, quotient = divide(magnitude(number), magnitude(by), &rest);
  return (number < 0) != (by < 0) ? (wide)-quotient : (wide)quotient;
}
wide __modti3(wide number, wide by) {
  unsigned_wide rest;
  divide(magnitude(number), magnitude(by), &rest);
  return number < 0 ? (wide)-rest : (wide)rest;
}
