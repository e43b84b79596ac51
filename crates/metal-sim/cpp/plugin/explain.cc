#include "explain.h"

#include <sstream>

namespace msim {
namespace {

std::string triple(const std::uint32_t (&p)[3]) {
  return "(" + std::to_string(p[0]) + "," + std::to_string(p[1]) + "," + std::to_string(p[2]) + ")";
}

}  // namespace

std::string describe(const TranslatedKernel& translated, const BoundArguments& bound,
                     const FaultReport& report) {
  const Fault& f = report.fault;
  const std::string where = f.threadgroup ? "threadgroup array `" + std::string(f.array) + "`"
                            : f.kind == kDivergentBarrier || f.kind == kPartialMatrix ||
                                      f.kind == kZeroDivisor
                                ? std::string()
                                : "buffer `" + translated.buffers[f.buffer] + "`";
  const char* access = f.write ? "writes" : "reads";
  std::ostringstream out;
  out << "thread " << triple(report.thread)
      << " of threadgroup " << triple(report.group) << " ";
  switch (f.kind) {
    case kOutOfBounds:
      out << access << " out of bounds: element " << f.index << " of " << where << ", which has "
          << f.length << " of " << f.element_size << " bytes";
      break;
    case kMisaligned:
      out << access << " element " << f.index << " of " << where << " at an address that is not a multiple of "
          << f.element_size;
      break;
    case kUninitialised: {
      const auto& writer = bound.allocations[f.buffer]->last_writer;
      out << "reads element " << f.index << " of " << where << ", which nothing has written since it was allocated";
      if (!writer.empty()) out << " (the buffer was last written by kernel `" << writer << "`)";
      break;
    }
    case kNotANumber:
      out << "writes NaN to element " << f.index << " of " << where;
      break;
    case kRace:
      out << access << " element " << f.index << " of " << where << " while thread "
          << triple(report.other) << " uses it too, without a barrier between them";
      break;
    case kDivergentBarrier:
      out << "waits at the threadgroup barrier in line " << f.index << ", which thread "
          << triple(report.other) << " does not reach";
      break;
    case kPartialMatrix:
      out << "comes to the simd-group matrix operation in line " << f.index << ", which " << f.length
          << " of " << kSimdWidth << " lanes reach";
      break;
    case kZeroDivisor:
      out << "divides an integer by zero in line " << f.index;
      break;
    default:
      out << "stopped for an unknown reason";
  }
  return out.str();
}

std::string explain(const std::string& kernel, const TranslatedKernel& translated,
                    const BoundArguments& bound, const Outcome& outcome) {
  std::string text = "metal-sim: kernel `" + kernel + "`: " + describe(translated, bound, *outcome.fault);
  if (outcome.fault->fault.kind == kNotANumber && outcome.unwritten) {
    text += "; earlier " + describe(translated, bound, *outcome.unwritten);
  }
  return text;
}

}  // namespace msim
