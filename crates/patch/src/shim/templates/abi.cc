// ---- The tvm-ffi C ABI, declared by hand ------------------------------------
//
// Only what every tvm-ffi from 0.1.0 on has kept, so that one built shim works
// on several runtimes. No tvm header is included in this file.

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#define SHIM_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// Type indices of values.
enum : int32_t {
  kNone = 0,
  kInt = 1,
  kBool = 2,
  kFloat = 3,
  kByteArrayPtr = 9,
  kSmallStr = 11,
  kSmallBytes = 12,
  kFirstObject = 64,
  kStr = 65,
  kBytes = 66,
  kFunction = 68,
  kShape = 69,
  kTensor = 70,
  kArray = 71,
};

// A value, owned or borrowed: TVMFFIAny.
struct Any {
  int32_t type;
  uint32_t small_length;
  union {
    int64_t i;
    double f;
    void* ptr;
    char bytes[8];
  } v;
};

// TVMFFIByteArray, and the same shape for TVMFFIShapeCell.
struct ByteArray {
  const char* data;
  size_t size;
};
struct ShapeCell {
  const int64_t* data;
  size_t size;
};

// Every object begins with this; the cells above follow it directly.
struct ObjectHeader {
  uint64_t counts;
  int32_t type;
  uint32_t padding;
  void (*deleter)(void*, int);
};

// The first fields of TVMFFIErrorCell.
struct ErrorCell {
  ByteArray kind;
  ByteArray message;
};

typedef int (*SafeCall)(void* self, const Any* args, int32_t count, Any* result);

}  // namespace

extern "C" {
int TVMFFIFunctionGetGlobal(const ByteArray* name, void** out);
int TVMFFIFunctionSetGlobal(const ByteArray* name, void* function, int override);
int TVMFFIFunctionCreate(void* self, SafeCall call, void (*deleter)(void*), void** out);
int TVMFFIFunctionCall(void* function, Any* args, int32_t count, Any* result);
int TVMFFIObjectDecRef(void* object);
int TVMFFIStringFromByteArray(const ByteArray* text, Any* out);
void TVMFFIErrorMoveFromRaised(void** out);
void TVMFFIErrorSetRaisedFromCStr(const char* kind, const char* message);
}

namespace {

ByteArray Name(const char* text) { return ByteArray{text, strlen(text)}; }

void Release(Any* value) {
  if (value->type >= kFirstObject) TVMFFIObjectDecRef(value->v.ptr);
  *value = Any{};
}

// Forgets this thread's raised error.
void DropError() {
  void* error = nullptr;
  TVMFFIErrorMoveFromRaised(&error);
  if (error != nullptr) TVMFFIObjectDecRef(error);
}

// A global function as an owned handle, or null.
void* FindGlobal(const char* name) {
  ByteArray key = Name(name);
  void* function = nullptr;
  if (TVMFFIFunctionGetGlobal(&key, &function) != 0) {
    DropError();
    return nullptr;
  }
  return function;
}

int SetGlobal(const char* name, void* self, SafeCall call) {
  ByteArray key = Name(name);
  void* function = nullptr;
  int status = TVMFFIFunctionCreate(self, call, nullptr, &function);
  if (status != 0) return status;
  status = TVMFFIFunctionSetGlobal(&key, function, 1);
  TVMFFIObjectDecRef(function);
  return status;
}

// The text or bytes of a value; data is null if it is neither.
ByteArray TextOf(const Any* value) {
  switch (value->type) {
    case kSmallStr:
    case kSmallBytes:
      return ByteArray{value->v.bytes, value->small_length};
    case kByteArrayPtr:
      return *static_cast<const ByteArray*>(value->v.ptr);
    case kStr:
    case kBytes:
      return *reinterpret_cast<const ByteArray*>(
          static_cast<const ObjectHeader*>(value->v.ptr) + 1);
    default:
      return ByteArray{nullptr, 0};
  }
}

bool Equals(ByteArray text, const char* other) {
  return text.data != nullptr && text.size == strlen(other) &&
         memcmp(text.data, other, text.size) == 0;
}

// One part of the shim: what it did, readable through artcheck.shim.<name>.
struct Part {
  const char* name;
  bool settled;
  char state[192];
};

void Settle(Part* part, const char* state) {
  part->settled = true;
  snprintf(part->state, sizeof(part->state), "%s", state);
}

int TellState(void* self, const Any*, int32_t, Any* result) {
  ByteArray text = Name(static_cast<Part*>(self)->state);
  return TVMFFIStringFromByteArray(&text, result);
}

// Claims a part for this shim. False if another shim in this process has it.
bool Claim(Part* part) {
  char name[64];
  snprintf(name, sizeof(name), "artcheck.shim.%s", part->name);
  if (void* taken = FindGlobal(name)) {
    TVMFFIObjectDecRef(taken);
    Settle(part, "another shim in this process does this already");
    return false;
  }
  if (SetGlobal(name, part, TellState) != 0) DropError();
  return true;
}

}  // namespace
