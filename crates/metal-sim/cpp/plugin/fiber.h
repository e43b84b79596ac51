// Switching between the threads of a threadgroup on one operating-system thread.
#pragma once
#include <cstddef>

#if !defined(__x86_64__) || defined(MSIM_UCONTEXT)
#define MSIM_USE_UCONTEXT 1
#include <ucontext.h>
#endif

namespace msim {

#ifdef MSIM_USE_UCONTEXT
struct FiberContext {
  ucontext_t context;
};
#else
struct FiberContext {
  void* stack_pointer = nullptr;
};
#endif

// Makes `fiber` start `entry` on the given stack at the next switch. `entry`
// must never return: it switches away for good.
void prepare_fiber(FiberContext& fiber, unsigned char* stack, std::size_t size, void (*entry)());
void switch_fiber(FiberContext& from, FiberContext& to);

}  // namespace msim
