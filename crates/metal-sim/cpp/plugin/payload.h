// The bytes of a `metal` device module: format, function table, sources.
//
// Two layouts exist. Since TVM 0.24: format, functions, sources. Before: version
// "0.1.0", sources, functions, format. Up to 0.20 a function has no extra tags.
// The layout is the one that parses to the exact end.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace msim {

struct ArgumentType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};

struct KernelInfo {
  std::string name;
  std::vector<ArgumentType> arguments;
  std::vector<std::string> launch_tags;
  std::string source;
};

struct Payload {
  std::string format;  // "metal" = source text, "metallib" = compiled by Apple's tools
  std::map<std::string, KernelInfo> kernels;
};

// Throws std::runtime_error with the byte offset when neither layout fits.
Payload parse_payload(std::string_view bytes);

}  // namespace msim
