#include "compile.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "options.h"
#include "process.h"

namespace msim {
namespace {

namespace fs = std::filesystem;

#ifndef MSIM_BUILD
#define MSIM_BUILD "unversioned"
#endif

// Few: what is being compiled when the process is ended is compiled again.
constexpr std::size_t kKernelsPerLibrary = 12;

// 128 bits of FNV-1a, as two passes with different starts. A name, not a proof.
std::string hash(const std::string& text) {
  char out[33];
  std::uint64_t parts[2] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu};
  for (auto& part : parts) {
    for (unsigned char c : text) part = (part ^ c) * 0x100000001b3u;
    for (int i = 0; i < 2; ++i) part = (part ^ (part >> 29)) * 0xbf58476d1ce4e5b9u;
  }
  std::snprintf(out, sizeof out, "%016llx%016llx", static_cast<unsigned long long>(parts[0]),
                static_cast<unsigned long long>(parts[1]));
  return out;
}

// Vectors of 64 bytes, with halves where the processor has them.
std::vector<std::string> widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    std::vector<std::string> flags = {"-march=x86-64-v4", "-mprefer-vector-width=512"};
    // One operation in 16 bits rounds as the same one in 32 does, rounded again.
#if defined(__clang__) ? __clang_major__ >= 14 : __GNUC__ >= 12
    if (__builtin_cpu_supports("avx512fp16")) flags.push_back("-mavx512fp16");
#endif
    return flags;
  }
#endif
  return {};
}

bool has_v3() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

struct Toolchain {
  std::string compiler, version;
  std::vector<std::string> flags;

  static const Toolchain& get() {
    static const Toolchain chosen = [] {
      Toolchain t;
      t.compiler = Options::get().compiler;
      auto answer = run_process({t.compiler, "--version"});
      if (answer.status != 0) {
        throw std::runtime_error("metal-sim: the C++ compiler `" + t.compiler +
                                 "` does not run; set CXX to clang++ or g++: " + answer.output);
      }
      t.version = answer.output;
      const bool clang = t.version.find("clang") != std::string::npos;
      // The same numbers on every machine: no contraction, halves rounded each time.
      t.flags = {"-std=c++20", "-O2", "-fPIC", "-shared", "-w", "-ffp-contract=off",
                 "-fno-math-errno", "-fno-trapping-math", "-fsigned-char",
                 "-fno-strict-aliasing", "-fvisibility=hidden",
                 clang ? "-ffloat16-excess-precision=none" : "-fexcess-precision=16"};
      if (Options::get().lanes() && !widest().empty()) {
        for (const auto& flag : widest()) t.flags.push_back(flag);
      } else if (has_v3()) {
        t.flags.push_back("-march=x86-64-v3");
      }
      // What a simd-group does at once is loops over few vectors: only unrolled are they kept
      // in registers. They are vectors already.
      if (Options::get().lanes()) {
        t.flags[1] = "-O3";
        t.flags.push_back("-fno-tree-vectorize");
      }
      if (Options::get().guard) t.flags[1] = "-O1";
      // What Apple's compiler may do; NaN and infinity keep their meaning, which kernels use.
      if (Options::get().arithmetic == "contracted" || Options::get().arithmetic == "fast") {
        t.flags.push_back("-ffp-contract=fast");
      }
      if (Options::get().arithmetic == "fast") {
        t.flags.insert(t.flags.end(), {"-fassociative-math", "-freciprocal-math", "-fno-signed-zeros"});
      }
      return t;
    }();
    return chosen;
  }
};

struct Pending {
  std::string name, key;
  CompiledKernel* kernel;
  const std::string* source;

  // Back to one thread after the other; false where it was so.
  bool simpler() {
    if (!kernel->translated.lanes) return false;
    kernel->translated = translate(*source, name, "msim_" + key, Options::get().guard, false);
    return true;
  }
};

std::string key_of(const std::string& name, const std::string& source) {
  const auto& tools = Toolchain::get();
  std::string all = source + '\0' + name + '\0' + tools.compiler + tools.version + MSIM_BUILD;
  for (const auto& flag : tools.flags) all += flag + ' ';
  all += Options::get().guard ? "guard" : Options::get().lanes() ? "lanes" : "plain";
  all += std::to_string(kAbiVersion);
  return hash(all);
}

std::string symbol_of(const std::string& key) { return "msim_" + key; }

// Opens a library of the cache and finds the kernel in it; no entry when either fails.
void find_entry(const fs::path& library, const std::string& key, CompiledKernel& kernel) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return;
  kernel.entry = reinterpret_cast<Entry>(dlsym(handle, symbol_of(key).c_str()));
  const void* bytes = dlsym(handle, (symbol_of(key) + "_constants").c_str());
  if (bytes != nullptr) kernel.constant_bytes = *static_cast<const unsigned*>(bytes);
}

void from_cache(const std::string& key, CompiledKernel& kernel) {
  std::ifstream reference(fs::path(Options::get().cache) / (key + ".ref"));
  std::string library;
  if (std::getline(reference, library)) find_entry(fs::path(Options::get().cache) / library, key, kernel);
}

std::string program(const std::vector<Pending>& kernels) {
  std::string text = Options::get().guard ? "#include \"checked.h\"\n" : "#include \"tile.h\"\n";
  text += "#pragma GCC visibility push(default)\n";
  for (const auto& k : kernels) text += k.kernel->translated.body + "\n";
  return text;
}

void write_file(const fs::path& path, const std::string& text) {
  fs::path temporary = path;
  temporary += "." + std::to_string(getpid()) + ".new";
  std::ofstream out(temporary, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("metal-sim: cannot write " + temporary.string());
  fs::rename(temporary, path);
}

// The compiler's first complaint about each kernel: "line 12: ...".
std::map<std::string, std::string> complaints(const std::string& output) {
  static const std::regex line(R"(([A-Za-z0-9_]+)\.metal:(\d+):(?:\d+:)? (?:fatal )?error: (.*))");
  std::map<std::string, std::string> found;
  std::istringstream in(output);
  std::string text;
  std::smatch match;
  while (std::getline(in, text)) {
    if (std::regex_search(text, match, line)) {
      found.try_emplace(match[1], "line " + match[2].str() + ": " + match[3].str());
    }
  }
  return found;
}

// Compiles the kernels into one library. Those that the compiler rejects get
// their error, the others are tried again without them.
void build_library(std::vector<Pending> kernels) {
  const auto& tools = Toolchain::get();
  while (!kernels.empty()) {
    std::string all;
    for (const auto& k : kernels) all += k.key;
    const std::string name = "kernels-" + hash(all);
    const fs::path folder(Options::get().cache);
    const fs::path source = folder / (name + ".cc");
    const fs::path made = folder / (name + "." + std::to_string(getpid()) + ".so");
    write_file(source, program(kernels));
    std::vector<std::string> command = {tools.compiler};
    command.insert(command.end(), tools.flags.begin(), tools.flags.end());
    for (const auto& word : {std::string("-I"), Options::get().headers, std::string("-o"),
                             made.string(), source.string(), std::string("-lm")}) {
      command.push_back(word);
    }
    auto answer = run_process(command);
    if (answer.status == 0) {
      fs::rename(made, folder / (name + ".so"));
      for (const auto& k : kernels) {
        write_file(folder / (k.key + ".ref"), name + ".so\n");
        find_entry(folder / (name + ".so"), k.key, *k.kernel);
        if (k.kernel->entry == nullptr) k.kernel->error = "the compiled library does not load";
      }
      return;
    }
    auto found = complaints(answer.output);
    std::vector<Pending> rest;
    bool simpler = false;
    for (auto& k : kernels) {
      auto complaint = found.find(k.name);
      if (complaint == found.end()) {
        rest.push_back(k);
      } else if (k.simpler()) {
        simpler = true;
        rest.push_back(k);
      } else {
        k.kernel->error = complaint->second;
      }
    }
    if (found.empty()) {
      for (auto& k : rest) simpler |= k.simpler();
    }
    if (!simpler && rest.size() == kernels.size()) {
      for (const auto& k : kernels) k.kernel->error = "the compiler failed: " + answer.output.substr(0, 2000);
      return;
    }
    kernels = std::move(rest);
  }
}

// Says how far the compiling is, on standard error: `verify` stops a row's clock meanwhile
// (src/progress.rs reads it). The last line, with all done, comes whatever happens.
class Told {
 public:
  explicit Told(std::size_t all) : all_(all) {
    if (all_ != 0) say(0);
  }
  ~Told() {
    if (all_ != 0) say(all_);
  }
  void done(std::size_t count) {
    std::lock_guard lock(mutex_);
    done_ += count;
    if (done_ < all_) say(done_);
  }

 private:
  void say(std::size_t done) const {
    const std::string line = "metal-sim: compiling kernels, " + std::to_string(done) + " of " +
                             std::to_string(all_) + " done\n";
    // Nothing can be done when standard error is gone.
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  }
  std::mutex mutex_;
  std::size_t all_, done_ = 0;
};

void build_all(const std::vector<Pending>& missing) {
  Told told(missing.size());
  std::vector<std::vector<Pending>> batches;
  for (std::size_t i = 0; i < missing.size(); i += kKernelsPerLibrary) {
    batches.emplace_back(missing.begin() + i,
                         missing.begin() + std::min(i + kKernelsPerLibrary, missing.size()));
  }
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next++) < batches.size();) {
      build_library(batches[i]);
      told.done(batches[i].size());
    }
  };
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (std::size_t n = std::min<std::size_t>(cores, batches.size()); n > 0; --n) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
}

}  // namespace

std::map<std::string, CompiledKernel> compile(const Payload& payload) {
  std::error_code ignored;
  fs::create_directories(Options::get().cache, ignored);
  std::map<std::string, CompiledKernel> out;
  std::vector<Pending> missing;
  for (const auto& [name, info] : payload.kernels) {
    CompiledKernel& kernel = out[name];
    const std::string key = key_of(name, info.source);
    try {
      kernel.translated = translate(info.source, info.name, symbol_of(key), Options::get().guard,
                                    Options::get().lanes());
    } catch (const std::exception& error) {  // TranslateError, or a number out of range
      kernel.error = error.what();
      continue;
    }
    from_cache(key, kernel);
    kernel.cached = kernel.entry != nullptr;
    if (!kernel.cached) missing.push_back({info.name, key, &kernel, &info.source});
  }
  build_all(missing);
  return out;
}

}  // namespace msim
