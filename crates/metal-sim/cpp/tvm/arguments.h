// A call's packed arguments, bound to buffers, constants and launch sizes.
#pragma once
#include <tvm/ffi/function.h>

#include <string>
#include <vector>

#include "bound.h"
#include "payload.h"
#include "translate.h"

namespace msim {

// Which launch argument sets which size: 0-2 the grid, 3-5 the threadgroup.
struct LaunchLayout {
  std::vector<int> sizes;
  std::string error;  // a launch tag that is not known

  LaunchLayout() = default;
  explicit LaunchLayout(const KernelInfo& info);
};

// Throws the runtime's error when a size or a buffer is not what Metal accepts.
BoundArguments bind(const KernelInfo& info, const TranslatedKernel& kernel,
                    const LaunchLayout& layout, tvm::ffi::PackedArgs args);

}  // namespace msim
