// The simulated Metal device as C functions: what Metal's stand-in in an emulated macOS
// process (darwin/metal_*.c) asks of the machine that it runs on. Both sides include
// this file. Each call leaves the emulator, so it takes and gives words and pointers.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
#define MSIM_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define MSIM_EXPORT extern
#endif

// Argument numbers that a kernel has for buffers, in Metal's own table of limits.
#define MSIM_BINDINGS 31
// Limits of the simulated device.
#define MSIM_MAX_THREADS 1024
#define MSIM_SIMD_WIDTH 32
#define MSIM_THREADGROUP_BYTES 32768
#define MSIM_MAX_BUFFER_BYTES ((uint64_t)1 << 40)

// What a kernel declares.
struct msim_kernel {
  const void* code;
  const char* name;
  const char* const* buffers;  // names, by argument number from 0
  uint64_t buffer_count;
  int64_t constants_at;        // argument number of its constants, -1 if it has none
  uint64_t constant_bytes;
  uint64_t threadgroup_bytes;
};

// One argument: a piece of memory, or bytes (constants).
struct msim_binding {
  void* memory;
  uint64_t offset;
  const void* bytes;
  uint64_t length;
};

// How many devices there are; 0 where this library is not loaded.
MSIM_EXPORT uint64_t artcheck_metal_devices(void);
// Bytes of this machine's memory.
MSIM_EXPORT uint64_t artcheck_metal_memory_bytes(void);

// Device memory, also for the CPU if `shared`; null if there is none left.
MSIM_EXPORT void* artcheck_metal_allocate(uint64_t bytes, uint64_t shared);
MSIM_EXPORT void artcheck_metal_free(void* memory);
// Where its bytes are.
MSIM_EXPORT void* artcheck_metal_bytes(void* memory);
// The caller has checked the ranges.
MSIM_EXPORT void artcheck_metal_copy(void* from, uint64_t from_offset, void* to, uint64_t to_offset,
                                     uint64_t bytes);
MSIM_EXPORT void artcheck_metal_fill(void* memory, uint64_t offset, uint64_t bytes, uint64_t value);

// The kernels of a source, as an array that stays, and their number. Null and why where
// it does not compile. Texts of errors stay until the thread's next call.
MSIM_EXPORT const struct msim_kernel* artcheck_metal_compile(const char* source, uint64_t* count,
                                                             const char** error);
// Runs a kernel: `bindings` by argument number, `sizes` of grid and threadgroup. What
// stopped it, or null.
MSIM_EXPORT const char* artcheck_metal_run(const void* code, const struct msim_binding* bindings,
                                           const uint64_t* sizes);
