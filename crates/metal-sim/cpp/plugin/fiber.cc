#include "fiber.h"

#include <cstdint>

#ifdef MSIM_USE_UCONTEXT

namespace msim {

void prepare_fiber(FiberContext& fiber, unsigned char* stack, std::size_t size, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = stack;
  fiber.context.uc_stack.ss_size = size;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

void switch_fiber(FiberContext& from, FiberContext& to) { swapcontext(&from.context, &to.context); }

}  // namespace msim

#else

// Saves the registers that the System V ABI leaves to the callee, swaps stacks. Jumps
// back: the processor would predict a return to where this was called from.
asm(R"(
.text
.p2align 4
.globl msim_swap_stacks
.hidden msim_swap_stacks
.type msim_swap_stacks, @function
msim_swap_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
.size msim_swap_stacks, .-msim_swap_stacks
)");

extern "C" void msim_swap_stacks(void** from, void* to);

namespace msim {

void prepare_fiber(FiberContext& fiber, unsigned char* stack, std::size_t size, void (*entry)()) {
  auto top = reinterpret_cast<std::uintptr_t>(stack + size) & ~std::uintptr_t{15};
  auto* slot = reinterpret_cast<void**>(top);
  *--slot = nullptr;                          // `entry` sees a return address of nobody
  *--slot = reinterpret_cast<void*>(entry);   // where the first switch returns to
  for (int saved = 0; saved < 6; ++saved) *--slot = nullptr;
  fiber.stack_pointer = slot;
}

void switch_fiber(FiberContext& from, FiberContext& to) {
  msim_swap_stacks(&from.stack_pointer, to.stack_pointer);
}

}  // namespace msim

#endif
