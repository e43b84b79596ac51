// A fault in words: kernel, thread, buffer and index.
#pragma once
#include <string>

#include "arguments.h"

namespace msim {

std::string explain(const std::string& kernel, const TranslatedKernel& translated,
                    const BoundArguments& bound, const FaultReport& report);

}  // namespace msim
