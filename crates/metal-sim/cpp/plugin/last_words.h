// Names the running kernel when the process dies inside one.
#pragma once
#include <string>

namespace msim {

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
