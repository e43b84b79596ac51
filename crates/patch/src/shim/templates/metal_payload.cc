// ---- Part metal-payload -----------------------------------------------------
//
// Up to 0.23 a metal module is stored as version, sources, functions, format;
// since 0.24 as format, functions, sources. A loader of the one kind misreads the
// other. The wrapper around the loader recognises the order by reading a payload
// to its exact end, asks the loader once which order it reads, and hands it that.

extern "C" int TVMFFIBytesFromByteArray(const ByteArray* bytes, Any* out);

namespace {

const char kMetalLoader[] = "ffi.Module.load_from_bytes.metal";
Part g_metal = {"metal-payload", false, "not installed"};
void* g_metal_loader = nullptr;
// Which order the runtime's loader reads; asked at the first payload.
enum Order { kUnasked, kBefore24, kSince24 };
Order g_loader_reads = kUnasked;

// A payload being read; ok turns false for good at the first thing that does not fit.
struct Cursor {
  const char* at;
  const char* end;
  bool ok;
};

void Skip(Cursor* c, uint64_t bytes) {
  if (!c->ok || bytes > static_cast<uint64_t>(c->end - c->at)) {
    c->ok = false;
  } else {
    c->at += bytes;
  }
}

uint64_t ReadCount(Cursor* c) {
  uint64_t value = 0;
  const char* from = c->at;
  Skip(c, sizeof(value));
  if (c->ok) memcpy(&value, from, sizeof(value));
  return value;
}

ByteArray ReadText(Cursor* c) {
  uint64_t size = ReadCount(c);
  const char* from = c->at;
  Skip(c, size);
  return c->ok ? ByteArray{from, static_cast<size_t>(size)} : ByteArray{nullptr, 0};
}

void SkipFourByteItems(Cursor* c) {
  uint64_t count = ReadCount(c);
  if (count > UINT64_MAX / 4) c->ok = false;
  Skip(c, count * 4);
}

// Functions: name, then name, argument types, launch tags, extra tags.
ByteArray ReadFunctions(Cursor* c) {
  const char* from = c->at;
  uint64_t count = ReadCount(c);
  for (uint64_t i = 0; i < count && c->ok; ++i) {
    ReadText(c);
    ReadText(c);
    SkipFourByteItems(c);
    uint64_t tags = ReadCount(c);
    for (uint64_t k = 0; k < tags && c->ok; ++k) ReadText(c);
    SkipFourByteItems(c);
  }
  return ByteArray{from, static_cast<size_t>(c->at - from)};
}

ByteArray ReadSources(Cursor* c) {
  const char* from = c->at;
  uint64_t count = ReadCount(c);
  for (uint64_t i = 0; i < count && c->ok; ++i) {
    ReadText(c);
    ReadText(c);
  }
  return ByteArray{from, static_cast<size_t>(c->at - from)};
}

struct Payload {
  Order order;  // kUnasked: neither
  ByteArray format, functions, sources;
};

Payload ReadPayload(ByteArray bytes) {
  Payload since = {kSince24, {}, {}, {}};
  Cursor c = {bytes.data, bytes.data + bytes.size, true};
  since.format = ReadText(&c);
  since.functions = ReadFunctions(&c);
  since.sources = ReadSources(&c);
  bool is_since = c.ok && c.at == c.end;
  Payload before = {kBefore24, {}, {}, {}};
  c = Cursor{bytes.data, bytes.data + bytes.size, true};
  ReadText(&c);  // version
  before.sources = ReadSources(&c);
  before.functions = ReadFunctions(&c);
  before.format = ReadText(&c);
  bool is_before = c.ok && c.at == c.end;
  if (is_since == is_before) return Payload{kUnasked, {}, {}, {}};
  return is_since ? since : before;
}

void Append(char** to, const void* from, size_t size) {
  memcpy(*to, from, size);
  *to += size;
}

void AppendText(char** to, ByteArray text) {
  uint64_t size = text.size;
  Append(to, &size, sizeof(size));
  Append(to, text.data, text.size);
}

// The payload's parts in the given order, as a Bytes value.
int WritePayload(const Payload& parts, Order order, Any* out) {
  ByteArray version = Name("0.1.0");
  size_t capacity =
      parts.format.size + parts.functions.size + parts.sources.size + version.size + 16;
  char* buffer = static_cast<char*>(malloc(capacity));
  if (buffer == nullptr) {
    TVMFFIErrorSetRaisedFromCStr("MemoryError", "artcheck shim: no memory for a metal payload");
    return -1;
  }
  char* to = buffer;
  if (order == kBefore24) {
    AppendText(&to, version);
    Append(&to, parts.sources.data, parts.sources.size);
    Append(&to, parts.functions.data, parts.functions.size);
    AppendText(&to, parts.format);
  } else {
    AppendText(&to, parts.format);
    Append(&to, parts.functions.data, parts.functions.size);
    Append(&to, parts.sources.data, parts.sources.size);
  }
  ByteArray bytes = {buffer, static_cast<size_t>(to - buffer)};
  int status = TVMFFIBytesFromByteArray(&bytes, out);
  free(buffer);
  return status;
}

// One source and no function: a loader of the other order takes the source for a
// function and runs out of bytes.
Order AskLoader() {
  const char functions[8] = {};
  const char sources[] = "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0x\1\0\0\0\0\0\0\0y";
  Payload probe = {kSince24, Name("metal"), {functions, 8}, {sources, sizeof(sources) - 1}};
  Any bytes = {}, module = {};
  Order order = kBefore24;
  if (WritePayload(probe, kSince24, &bytes) == 0 &&
      TVMFFIFunctionCall(g_metal_loader, &bytes, 1, &module) == 0) {
    Release(&module);
    order = kSince24;
  }
  DropError();
  Release(&bytes);
  return order;
}

int LoadMetal(void*, const Any* args, int32_t count, Any* result) {
  Payload parts = {kUnasked, {}, {}, {}};
  if (count == 1) {
    ByteArray bytes = TextOf(&args[0]);
    if (bytes.data != nullptr) parts = ReadPayload(bytes);
  }
  if (parts.order != kUnasked && g_loader_reads == kUnasked) g_loader_reads = AskLoader();
  if (parts.order == kUnasked || parts.order == g_loader_reads) {
    return TVMFFIFunctionCall(g_metal_loader, const_cast<Any*>(args), count, result);
  }
  Any bytes = {};
  int status = WritePayload(parts, g_loader_reads, &bytes);
  if (status == 0) status = TVMFFIFunctionCall(g_metal_loader, &bytes, 1, result);
  Release(&bytes);
  return status;
}

void InstallMetalPayload() {
  if (g_metal.settled) return;
  void* loader = FindGlobal(kMetalLoader);
  if (loader == nullptr) return;  // libtvm_runtime_metal is not there yet
  if (!Claim(&g_metal)) {
    TVMFFIObjectDecRef(loader);
    return;
  }
  g_metal_loader = loader;
  if (SetGlobal(kMetalLoader, nullptr, LoadMetal) == 0) {
    Settle(&g_metal, "puts payloads into the order that this runtime's loader reads");
  } else {
    DropError();
    Settle(&g_metal, "nothing done: the runtime did not take the wrapper");
  }
}

}  // namespace
