#include "report.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "memory.h"
#include "options.h"

namespace msim {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + "\"";
}

void write_at_end() {
  std::ofstream out(Options::get().report);
  out << Report::global().json() << "\n";
}

}  // namespace

Report& Report::global() {
  static auto* report = [] {
    if (!Options::get().report.empty()) std::atexit(write_at_end);
    return new Report();
  }();
  return *report;
}

KernelStats* Report::add(const std::string& name) {
  std::lock_guard lock(mutex_);
  kernels_.emplace_back();
  kernels_.back().name = name;
  return &kernels_.back();
}

void Report::compiled(double seconds) {
  std::lock_guard lock(mutex_);
  compile_seconds_ += seconds;
}

std::string Report::json() {
  std::lock_guard lock(mutex_);
  std::size_t ran = 0, failed = 0;
  std::ostringstream list;
  for (const auto& k : kernels_) {
    ran += k.calls > 0;
    failed += !k.error.empty();
    list << (&k == &kernels_.front() ? "" : ",") << "\n  {\"name\":" << quoted(k.name)
         << ",\"calls\":" << k.calls << ",\"threadgroups\":" << k.threadgroups
         << ",\"seconds\":" << static_cast<double>(k.nanoseconds) * 1e-9
         << ",\"cached\":" << (k.cached ? "true" : "false")
         << ",\"lanes\":" << (k.lanes ? "true" : "false");
    if (!k.unwritten.empty()) list << ",\"unwritten_read\":" << quoted(k.unwritten);
    if (!k.divided.empty()) list << ",\"zero_divisor\":" << quoted(k.divided);
    if (!k.error.empty()) list << ",\"error\":" << quoted(k.error);
    list << "}";
  }
  std::ostringstream out;
  out << "{\"device\":\"simulated\",\"guard\":" << (Options::get().guard ? "true" : "false")
      << ",\"kernels\":" << kernels_.size() << ",\"ran\":" << ran << ",\"not_compiled\":" << failed
      << ",\"compile_seconds\":" << compile_seconds_
      << ",\"peak_device_bytes\":" << DeviceMemory::global().peak_bytes() << ",\"list\":["
      << list.str() << "]}";
  return out.str();
}

}  // namespace msim
