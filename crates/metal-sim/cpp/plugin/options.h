// What the environment sets. Read once.
#pragma once
#include <string>

namespace msim {

struct Options {
  bool guard = false;         // ARTCHECK_METAL_SIM_GUARD=1
  bool reverse = false;       // ARTCHECK_METAL_SIM_ORDER=reverse: threads run last to first
  unsigned threads = 0;       // ARTCHECK_METAL_SIM_THREADS: workers, 0 = one per core
  std::string compiler;       // ARTCHECK_METAL_SIM_CXX, else CXX, else clang++ or g++ on the path
  std::string cache;          // ARTCHECK_METAL_SIM_CACHE: compiled kernels
  std::string report;         // ARTCHECK_METAL_SIM_REPORT: JSON written when the process ends
  std::string headers;        // the folder of the kernel headers, beside the plug-in

  static const Options& get();
};

}  // namespace msim
