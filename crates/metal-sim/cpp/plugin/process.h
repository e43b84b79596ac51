// Runs a program and keeps what it printed.
#pragma once
#include <string>
#include <vector>

namespace msim {

struct ProcessAnswer {
  int status = -1;     // exit status; -1: did not run or died by a signal
  std::string output;  // standard output and error together
};

// The first word may hold several, as CXX often does ("ccache g++").
ProcessAnswer run_process(const std::vector<std::string>& command);

}  // namespace msim
