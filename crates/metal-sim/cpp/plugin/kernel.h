// A compiled kernel that is run and counted.
#pragma once
#include <string>

#include "bound.h"
#include "compile.h"
#include "report.h"

namespace msim {

class Kernel {
 public:
  Kernel(std::string name, CompiledKernel compiled);

  const std::string& name() const { return name_; }
  const CompiledKernel& compiled() const { return compiled_; }
  // Runs it; what stopped it, or nothing. Of `bound.launch` the buffers, the constants
  // and the sizes are set.
  std::string run(BoundArguments& bound) const;

 private:
  std::string name_;
  CompiledKernel compiled_;
  KernelStats* stats_;
};

}  // namespace msim
