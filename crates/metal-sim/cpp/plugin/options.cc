#include "options.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#ifndef MSIM_CXX
#define MSIM_CXX "g++"
#endif

namespace msim {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string choose_compiler() {
  auto asked = variable("ARTCHECK_METAL_SIM_CXX");
  return asked.empty() ? MSIM_CXX : asked;
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
