// A fault in words: kernel, thread, buffer and index.
#pragma once
#include <string>

#include "bound.h"
#include "translate.h"

namespace msim {

// "thread (1,0,0) of threadgroup (0,0,0) reads ...".
std::string describe(const TranslatedKernel& translated, const BoundArguments& bound,
                     const FaultReport& report);
// The whole message of a launch that was stopped.
std::string explain(const std::string& kernel, const TranslatedKernel& translated,
                    const BoundArguments& bound, const Outcome& outcome);

}  // namespace msim
