#include "last_words.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "memory.h"

namespace msim {
namespace {

std::atomic<const char*> running{nullptr};
struct sigaction before_segv, before_bus;

void say(const char* text) {
  // Nothing can be done when standard error is gone.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

// A device pointer is an address that no process can map. The fault does not say which
// address it was, so the registers are looked at.
void tell_of_device_pointer([[maybe_unused]] void* context) {
#if defined(__x86_64__)
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  bool found = false;
  for (int name : {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9,
                   REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15}) {
    found = found || DeviceMemory::is_handle(reinterpret_cast<void*>(registers[name]));
  }
  if (!found) return;
  say("metal-sim: host code touches device memory");
  // The innermost function with a name: copying is done by ones without.
  void* frames[32];
  const int count = backtrace(frames, 32);
  int at = 0;
  while (at < count && frames[at] != reinterpret_cast<void*>(registers[REG_RIP])) ++at;
  for (; at < count; ++at) {
    Dl_info place;
    if (dladdr(frames[at], &place) == 0 || place.dli_sname == nullptr) continue;
    say(", in `");
    say(place.dli_sname);
    say("` of ");
    say(place.dli_fname);
    break;
  }
  say("; on a Mac a device pointer is an object, and no address\n");
#endif
}

void on_fault(int signal, siginfo_t*, void* context) {
  if (const char* kernel = running.load()) {
    say("metal-sim: memory fault inside kernel `");
    say(kernel);
    say("`; guard mode (ARTCHECK_METAL_SIM_GUARD=1) names buffer and index\n");
  } else {
    tell_of_device_pointer(context);
  }
  // Back to the previous handler; returning runs the faulting instruction again.
  sigaction(signal, signal == SIGBUS ? &before_bus : &before_segv, nullptr);
}

}  // namespace

void watch_for_faults() {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before_segv);
  sigaction(SIGBUS, &action, &before_bus);
}

LastWords::LastWords(const std::string& kernel) { running = kernel.c_str(); }

LastWords::~LastWords() { running = nullptr; }

}  // namespace msim
