// Calls of the system whose numbers and structures differ from the host's.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

// Linux's values, the same on x86-64 and arm64 as far as they are used here.
#define HOST_CREATE 0x40
#define HOST_EXCLUSIVE 0x80
#define HOST_TRUNCATE 0x200
#define HOST_APPEND 0x400

// Nothing that is registered for the end of the process or thread runs: neither
// ends before the emulator does.
int __cxa_atexit(void (*f)(void*), void* argument, void* image) { return 0; }
int atexit(void (*f)(void)) { return 0; }
void _tlv_atexit(void (*f)(void*), void* argument) {}
void __cxa_finalize(void* image) {}

// No signal reaches emulated code.
int sigaction(int number, const struct sigaction* act, struct sigaction* old) {
  if (old) memset(old, 0, sizeof *old);
  return 0;
}
void (*signal(int number, void (*handler)(int)))(int) { return SIG_DFL; }
int raise(int number) { host_refuse("a signal that it raises itself"); }

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  int mode = (flags & O_CREAT) ? va_arg(arguments, int) : 0;
  va_end(arguments);
  int host = flags & O_ACCMODE;
  if (flags & O_CREAT) host |= HOST_CREATE;
  if (flags & O_EXCL) host |= HOST_EXCLUSIVE;
  if (flags & O_TRUNC) host |= HOST_TRUNCATE;
  if (flags & O_APPEND) host |= HOST_APPEND;
  return host_open(path, host, mode);
}
int fcntl(int descriptor, int command, ...) {
  if (command == F_SETFD || command == F_GETFD || command == F_SETFL || command == F_GETFL) return 0;
  errno = EINVAL;
  return -1;
}
static int fill(struct stat* to, const char* path, int descriptor) {
  int64_t facts[6];
  if (host_stat(path, descriptor, facts)) return -1;
  memset(to, 0, sizeof *to);
  to->st_size = facts[0];
  to->st_mode = (mode_t)facts[1];
  to->st_dev = (dev_t)facts[2];
  to->st_ino = (ino_t)facts[3];
  to->st_mtimespec.tv_sec = facts[4];
  to->st_mtimespec.tv_nsec = facts[5];
  to->st_nlink = 1;
  return 0;
}
int stat(const char* path, struct stat* to) { return fill(to, path, -1); }
int lstat(const char* path, struct stat* to) { return fill(to, path, -1); }
int fstat(int descriptor, struct stat* to) { return fill(to, NULL, descriptor); }

void* mmap(void* at, size_t size, int protection, int flags, int descriptor, off_t offset) {
  int file = (flags & MAP_ANON) ? -1 : descriptor;
  void* got = (flags & MAP_FIXED) ? NULL : host_map(at, size, protection, file, offset);
  if (got) return got;
  errno = EINVAL;
  return MAP_FAILED;
}
int mprotect(void* at, size_t size, int protection) { return 0; }
// The emulator may still hold code of these pages.
int munmap(void* at, size_t size) { return 0; }

int getpagesize(void) { return 16384; }
long sysconf(int name) {
  if (name == _SC_PAGESIZE) return 16384;
  // Emulated code runs on one processor.
  if (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF) return 1;
  errno = EINVAL;
  return -1;
}
int sysctlbyname(const char* name, void* old, size_t* size, void* new, size_t new_size) {
  int known = !strcmp(name, "hw.ncpu") || !strcmp(name, "hw.activecpu") ||
              !strcmp(name, "hw.logicalcpu") || !strcmp(name, "hw.physicalcpu");
  if (!known || !old || !size || *size < sizeof(int)) {
    errno = ENOENT;
    return -1;
  }
  *(int*)old = 1;
  *size = sizeof(int);
  return 0;
}

int clock_gettime(clockid_t clock, struct timespec* to) {
  int64_t time[2];
  int which = clock == CLOCK_REALTIME ? 0
              : clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID ? 2 : 1;
  if (host_clock(which, time)) return -1;
  to->tv_sec = time[0];
  to->tv_nsec = time[1];
  return 0;
}
int gettimeofday(struct timeval* to, void* zone) {
  int64_t time[2];
  if (host_clock(0, time)) return -1;
  to->tv_sec = time[0];
  to->tv_usec = (suseconds_t)(time[1] / 1000);
  return 0;
}
uint64_t mach_absolute_time(void) {
  int64_t time[2];
  host_clock(1, time);
  return (uint64_t)time[0] * 1000000000u + (uint64_t)time[1];
}

int _NSGetExecutablePath(char* to, uint32_t* size) {
  static const char path[] = "/emulated";
  if (*size < sizeof path) {
    *size = sizeof path;
    return -1;
  }
  memcpy(to, path, sizeof path);
  return 0;
}
