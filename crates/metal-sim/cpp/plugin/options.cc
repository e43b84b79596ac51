#include "options.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace msim {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool on_path(const std::string& program) {
  std::string path = variable("PATH");
  for (std::size_t start = 0; start <= path.size();) {
    std::size_t end = std::min(path.find(':', start), path.size());
    std::string candidate = path.substr(start, end - start) + "/" + program;
    if (access(candidate.c_str(), X_OK) == 0) return true;
    start = end + 1;
  }
  return false;
}

std::string choose_compiler() {
  for (const char* name : {"ARTCHECK_METAL_SIM_CXX", "CXX"}) {
    if (auto value = variable(name); !value.empty()) return value;
  }
  return on_path("clang++") ? "clang++" : "g++";
}

Options read() {
  Options o;
  o.guard = variable("ARTCHECK_METAL_SIM_GUARD") == "1";
  o.arithmetic = variable("ARTCHECK_METAL_SIM_ARITHMETIC");
  o.by_thread = variable("ARTCHECK_METAL_SIM_LANES") == "0";
  o.reverse = variable("ARTCHECK_METAL_SIM_ORDER") == "reverse";
  o.threads = static_cast<unsigned>(std::atoi(variable("ARTCHECK_METAL_SIM_THREADS").c_str()));
  o.compiler = choose_compiler();
  o.report = variable("ARTCHECK_METAL_SIM_REPORT");
  Dl_info self{};
  fs::path folder = dladdr(reinterpret_cast<void*>(&Options::get), &self) != 0
                        ? fs::path(self.dli_fname).parent_path()
                        : fs::path(".");
  o.headers = (folder / "cpp" / "kernel").string();
  o.cache = variable("ARTCHECK_METAL_SIM_CACHE");
  if (o.cache.empty()) o.cache = (folder / "kernels").string();
  return o;
}

}  // namespace

const Options& Options::get() {
  static const Options options = read();
  return options;
}

}  // namespace msim
