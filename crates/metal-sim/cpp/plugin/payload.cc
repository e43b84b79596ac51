#include "payload.h"

#include <cstring>
#include <stdexcept>

namespace msim {
namespace {

// Reads forward; every count is held against the bytes that are left.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    auto length = number<std::uint64_t>();
    need(length);
    std::string value(bytes_.substr(at_, length));
    at_ += length;
    return value;
  }
  std::uint64_t count(std::size_t smallest_item) {
    auto value = number<std::uint64_t>();
    if (value > (bytes_.size() - at_) / smallest_item) fail("a count larger than the data");
    return value;
  }
  bool at_end() const { return at_ == bytes_.size(); }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("byte " + std::to_string(at_) + ": " + what);
  }

 private:
  void need(std::uint64_t n) const {
    if (n > bytes_.size() - at_) fail("needs " + std::to_string(n) + " more bytes");
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
};

KernelInfo function_info(Reader& in, bool extra_tags) {
  KernelInfo info;
  info.name = in.text();
  for (auto n = in.count(4); n > 0; --n) {
    ArgumentType type;
    type.code = in.number<std::uint8_t>();
    type.bits = in.number<std::uint8_t>();
    type.lanes = in.number<std::uint16_t>();
    info.arguments.push_back(type);
  }
  for (auto n = in.count(8); n > 0; --n) info.launch_tags.push_back(in.text());
  if (extra_tags) {
    for (auto n = in.count(4); n > 0; --n) in.number<std::int32_t>();
  }
  return info;
}

void functions(Reader& in, bool extra_tags, Payload& out) {
  for (auto n = in.count(16); n > 0; --n) {
    std::string key = in.text();
    std::string source = std::move(out.kernels[key].source);
    KernelInfo info = function_info(in, extra_tags);
    info.source = std::move(source);
    if (info.name.empty()) info.name = key;
    out.kernels[key] = std::move(info);
  }
}

void sources(Reader& in, Payload& out) {
  for (auto n = in.count(16); n > 0; --n) {
    std::string key = in.text();
    out.kernels[key].source = in.text();
  }
}

enum class Layout { kFormatFirst, kVersionFirst };

Payload parse_as(std::string_view bytes, Layout layout, bool extra_tags) {
  Reader in(bytes);
  Payload out;
  if (layout == Layout::kFormatFirst) {
    out.format = in.text();
    functions(in, extra_tags, out);
    sources(in, out);
  } else {
    std::string version = in.text();
    if (version != "0.1.0") in.fail("version \"0.1.0\" expected, found \"" + version + "\"");
    sources(in, out);
    functions(in, extra_tags, out);
    out.format = in.text();
  }
  if (!in.at_end()) in.fail("bytes left over");
  if (out.format != "metal" && out.format != "metallib") {
    in.fail("format \"metal\" or \"metallib\" expected, found \"" + out.format + "\"");
  }
  for (const auto& [key, kernel] : out.kernels) {
    if (kernel.name.empty()) in.fail("source of `" + key + "` has no entry in the function table");
    if (kernel.source.empty()) in.fail("kernel `" + key + "` has no source");
  }
  return out;
}

}  // namespace

Payload parse_payload(std::string_view bytes) {
  std::string reasons;
  for (auto layout : {Layout::kFormatFirst, Layout::kVersionFirst}) {
    for (bool extra_tags : {true, false}) {
      try {
        return parse_as(bytes, layout, extra_tags);
      } catch (const std::runtime_error& error) {
        reasons += reasons.empty() ? "" : "; ";
        reasons += layout == Layout::kFormatFirst ? "format first" : "version first";
        reasons += extra_tags ? ", with extra tags: " : ", without: ";
        reasons += error.what();
      }
    }
  }
  throw std::runtime_error("not a metal module in a known layout (" + reasons + ")");
}

}  // namespace msim
