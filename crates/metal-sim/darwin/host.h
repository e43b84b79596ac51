// What the stand-in for libSystem asks of the machine that it runs on. Each of
// these leaves the emulator; `src/macho/stack/system.rs` says what it does there.
// Every other C function that is not defined here, such as `malloc`, goes to the
// host's function of the same name, if that takes words and pointers only.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// `format` with arguments as Apple's arm64 passes them: all in memory.
int host_vsnprintf(char* to, size_t size, const char* format, va_list arguments);
// Memory of this thread that is zero at first: `HOST_THREAD_WORDS` words.
#define HOST_THREAD_WORDS 1024
uintptr_t* host_thread(void);
// Lets others run. Emulated threads change places in call-outs only.
void host_yield(void);
// Seconds and nanoseconds of a clock: 0 wall, 1 monotonic, 2 this process's.
int host_clock(int clock, int64_t out[2]);
// A file, by the host's flags.
int host_open(const char* path, int flags, int mode);
// Size, mode, device, inode, seconds and nanoseconds of the last change.
int host_stat(const char* path, int descriptor, int64_t out[6]);
// Bytes of a file that are mapped privately (-1: no file); 0 if that fails.
void* host_map(void* at, size_t size, int protection, int descriptor, int64_t offset);
// The standard stream of this number, as the host's `FILE*`.
void* host_stream(int number);
// Ends the run and names what was asked for.
_Noreturn void host_refuse(const char* what);
