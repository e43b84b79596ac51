// One MSL kernel, rewritten as C++ that the host compiler takes.
//
// Not an MSL compiler: the rules are those of the text that TVM's code generator
// writes. Anything else is refused with the line it stands on.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace msim {

// Outside the subset: what, and on which line of the kernel's source.
struct TranslateError : std::runtime_error {
  TranslateError(int line, const std::string& what)
      : std::runtime_error("line " + std::to_string(line) + ": " + what) {}
};

struct TranslatedKernel {
  std::string body;                   // C++ text, without headers
  std::vector<std::string> buffers;   // names of the device buffers by argument number
  std::uint32_t constants_at = 0;     // argument number of the constant structure
  bool has_constants = false;
  std::string constants_type;
  std::uint32_t threadgroup_bytes = 0;
  bool fibers = false;                // has barriers or simd-group operations
  bool writes_checked = false;        // translated for guard mode
  bool lanes = false;                 // the entry runs a simd-group at once (lanes.h)
  bool barriers = false;              // of a lane kernel: simd-groups wait for each other
};

// `symbol` becomes the exported entry; `label` names the source in diagnostics.
// `lanes`: with all lanes of a simd-group at once, where the kernel is in that subset.
TranslatedKernel translate(const std::string& source, const std::string& kernel,
                           const std::string& symbol, bool guard, bool lanes);

}  // namespace msim
