#include "entry.h"

namespace msim {
namespace {

std::string position(const Parameter& p) {
  auto three = [&](const std::string& a, const std::string& b, const std::string& c) {
    // uint, uint2, uint3, and the same of ushort.
    if (p.type.back() == '2') return p.type + "(" + a + ", " + b + ")";
    if (p.type.back() == '3') return p.type + "(" + a + ", " + b + ", " + c + ")";
    return p.type + "(" + a + ")";
  };
  auto field = [&](const std::string& f) { return three(f + "[0]", f + "[1]", f + "[2]"); };
  const std::string& a = p.attribute;
  if (a == "thread_position_in_threadgroup") return three("msim_x", "msim_y", "msim_z");
  if (a == "threadgroup_position_in_grid") return field("g->position");
  if (a == "threads_per_threadgroup") return field("g->block");
  if (a == "threadgroups_per_grid") return field("g->grid");
  if (a == "thread_position_in_grid") {
    return three("g->position[0] * g->block[0] + msim_x", "g->position[1] * g->block[1] + msim_y",
                 "g->position[2] * g->block[2] + msim_z");
  }
  const std::string linear = "((msim_z * g->block[1] + msim_y) * g->block[0] + msim_x)";
  if (a == "thread_index_in_threadgroup") return linear;
  if (a == "thread_index_in_simdgroup") return linear + " % msim::kSimdWidth";
  if (a == "simdgroup_index_in_threadgroup") return linear + " / msim::kSimdWidth";
  if (a == "thread_index_in_quadgroup") return linear + " % msim::kQuadWidth";
  if (a == "quadgroup_index_in_threadgroup") return linear + " / msim::kQuadWidth";
  throw TranslateError(p.line, "attribute `" + a + "` is not simulated");
}

std::string loops(const std::string& call, bool guard, bool shares) {
  std::string out;
  out += "for (uint msim_z = 0; msim_z < g->block[2]; ++msim_z)\n"
         "for (uint msim_y = 0; msim_y < g->block[1]; ++msim_y) {\n"
         "const uint msim_width = g->block[0];\n";
  // Threads of a group that do not wait for each other may run in any order.
  if (!guard && !shares) out += "#pragma GCC ivdep\n";
  out += "for (uint msim_x = 0; msim_x < msim_width; ++msim_x) {\n";
  if (guard) {
    out += "g->thread[0] = msim_x; g->thread[1] = msim_y; g->thread[2] = msim_z;\n"
           "g->linear = (msim_z * g->block[1] + msim_y) * g->block[0] + msim_x;\n";
  }
  out += call + "}\n}\n";
  return out;
}

}  // namespace

std::string entry_point(const std::string& kernel, const std::string& symbol,
                        const std::vector<Parameter>& parameters,
                        const TranslatedKernel& translated) {
  const bool guard = translated.writes_checked;
  std::string out;
  std::string call = "msim_body(g";
  for (const auto& p : parameters) {
    const std::string n = std::to_string(p.number);
    if (p.space == "device") {
      call += guard ? ", msim::DevicePointer<" + p.type + ">(g, " + n + ", 0)"
                    : ", reinterpret_cast<" + p.type + "*>(g->buffers[" + n + "].data)";
    } else if (p.space == "constant") {
      call += ", *reinterpret_cast<const " + p.type + "*>(g->constants)";
    } else {
      call += ", " + position(p);
    }
  }
  call += ");\n";
  out += "#line 1 \"" + kernel + ".entry\"\nstatic inline void msim_run(msim::Group* g) {\n";
  if (translated.fibers) {
    out += "uint msim_x = g->thread[0], msim_y = g->thread[1], msim_z = g->thread[2];\n" + call;
  } else {
    out += loops(call, guard, translated.threadgroup_bytes != 0);
  }
  out += "}\n}\nextern \"C\" void " + symbol + "(msim::Group* g) {\n";
  const std::string run = symbol + "_ns::msim_run(g);";
  out += guard ? "try { " + run + " } catch (const msim::Stop&) {}\n}\n" : run + "\n}\n";
  return out;
}

}  // namespace msim
