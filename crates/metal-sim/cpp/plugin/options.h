// What the environment sets. Read once.
#pragma once
#include <string>

namespace msim {

struct Options {
  bool guard = false;         // ARTCHECK_METAL_SIM_GUARD=1
  bool reverse = false;       // ARTCHECK_METAL_SIM_ORDER=reverse: threads run last to first
  std::string arithmetic;     // ARTCHECK_METAL_SIM_ARITHMETIC: strict, contracted or fast
  bool by_thread = false;     // ARTCHECK_METAL_SIM_LANES=0: one thread after the other
  unsigned threads = 0;       // ARTCHECK_METAL_SIM_THREADS: workers, 0 = one per core
  std::string compiler;       // ARTCHECK_METAL_SIM_CXX, else the one that built the plug-in
  std::string cache;          // ARTCHECK_METAL_SIM_CACHE: compiled kernels
  std::string report;         // ARTCHECK_METAL_SIM_REPORT: JSON written when the process ends
  std::string headers;        // the folder of the kernel headers, beside the plug-in

  // Whether the lanes of a simd-group run at once, where a kernel allows it. What checks
  // threads against each other needs them one by one.
  bool lanes() const { return !guard && !reverse && !by_thread; }
  static const Options& get();
};

}  // namespace msim
