// Says what ran when the process dies of a memory fault: the kernel, or host code that
// took a device pointer for an address.
#pragma once
#include <string>

namespace msim {

// Once, when the plug-in is opened. The handlers from before still have their turn.
void watch_for_faults();

// While one lives, a fatal memory fault prints the kernel's name before the
// process goes the way it would have gone.
class LastWords {
 public:
  explicit LastWords(const std::string& kernel);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
};

}  // namespace msim
