// The function that the plug-in calls: binds arguments, runs threads.
#pragma once
#include <string>
#include <vector>

#include "translate.h"

namespace msim {

// One parameter of a kernel, as its source declares it.
struct Parameter {
  std::string space, type, name, attribute;
  bool pointer = false, reference = false;
  int number = -1, line = 0;
};

// The C++ text that follows a kernel's translated body, `msim_body`.
std::string entry_point(const std::string& kernel, const std::string& symbol,
                        const std::vector<Parameter>& parameters, const TranslatedKernel& translated);

}  // namespace msim
