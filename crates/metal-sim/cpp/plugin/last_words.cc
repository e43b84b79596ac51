#include "last_words.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

namespace msim {
namespace {

std::atomic<const char*> running{nullptr};
struct sigaction before_segv, before_bus;

void say(const char* text) {
  // Nothing can be done when standard error is gone.
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

void on_fault(int signal, siginfo_t*, void*) {
  if (const char* kernel = running.load()) {
    say("metal-sim: memory fault inside kernel `");
    say(kernel);
    say("`; guard mode (ARTCHECK_METAL_SIM_GUARD=1) names buffer and index\n");
  }
  // Back to the previous handler; returning runs the faulting instruction again.
  sigaction(signal, signal == SIGBUS ? &before_bus : &before_segv, nullptr);
}

void install() {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before_segv);
  sigaction(SIGBUS, &action, &before_bus);
}

}  // namespace

LastWords::LastWords(const std::string& kernel) {
  static const bool installed = (install(), true);
  (void)installed;
  running = kernel.c_str();
}

LastWords::~LastWords() { running = nullptr; }

}  // namespace msim
