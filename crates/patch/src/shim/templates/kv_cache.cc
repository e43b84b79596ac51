// ---- Parts attention-tag and cache-config -----------------------------------
//
// One wrapper around vm.builtin.paged_attention_kv_cache_create. What this
// runtime accepts is asked of the runtime itself, once, when the shim is
// installed: its constructor is called with arguments that it must refuse before
// it allocates anything, and the refusals are compared with one another. No text
// of a message is relied upon. If the runtime accepts everything, nothing is
// wrapped.

extern "C" int TVMFFITensorFromDLPack(void* managed, int32_t alignment, int32_t contiguous,
                                      void** out);

namespace {

const char kConstructor[] = "vm.builtin.paged_attention_kv_cache_create";
// Positions of the constructor's arguments, the same from 0.20 to 0.27.
enum { kConfigAt = 0, kKindsAt = 6, kFirstTuple = 15, kLastTuple = 22, kArguments = 28 };
// AttnKind::kMHASliding: a layer with a sliding window of its own.
const int64_t kSlidingLayer = 3;
// AttnKind::kMLA, which refuses a sliding window on every runtime.
const int64_t kLatentLayer = 1;

Part g_tag = {"attention-tag", false, "not installed"};
Part g_config = {"cache-config", false, "not installed"};

void* g_constructor = nullptr;  // the runtime's own
const char* g_from = nullptr;   // the tag to translate, if any
const char* g_to = nullptr;
bool g_shorten = false;  // whether six elements become five

int CallGlobal(const char* name, Any* args, int32_t count, Any* out) {
  void* function = FindGlobal(name);
  if (function == nullptr) {
    TVMFFIErrorSetRaisedFromCStr("RuntimeError",
                                 "artcheck shim: tvm-ffi lacks a function it needs");
    return -1;
  }
  *out = Any{};
  int status = TVMFFIFunctionCall(function, args, count, out);
  TVMFFIObjectDecRef(function);
  return status;
}

int MakeShape(const int64_t* values, int32_t count, Any* out) {
  Any args[16];
  for (int32_t i = 0; i < count; ++i) {
    args[i] = Any{};
    args[i].type = kInt;
    args[i].v.i = values[i];
  }
  return CallGlobal("ffi.Shape", args, count, out);
}

ShapeCell ShapeOf(const Any* value) {
  if (value->type != kShape) return ShapeCell{nullptr, 0};
  return *reinterpret_cast<const ShapeCell*>(static_cast<const ObjectHeader*>(value->v.ptr) + 1);
}

// ---- asking the runtime what it accepts

// A one-element float32 tensor on the CPU, in the layout of DLManagedTensor.
struct CpuTensor {
  void* data;
  int32_t device_type, device_id, ndim;
  uint8_t code, bits;
  uint16_t lanes;
  const int64_t* shape;
  const int64_t* strides;
  uint64_t byte_offset;
  void* context;
  void (*deleter)(void*);
};

void KeepTensor(void*) {}

int64_t g_one = 1;
float g_zero = 0;
CpuTensor g_scalar = {&g_zero, 1, 0, 1, 2, 32, 1, &g_one, &g_one, 0, nullptr, KeepTensor};

// Calls the constructor with a config of `elements` numbers and, as its first
// tuple, a lone tag (null: no tuple). Gives the refusal's message; empty if it was
// not refused or could not be asked.
void Ask(int elements, const char* tag, char* message, size_t capacity) {
  const int64_t config[8] = {1, 16, 16, 16, 1, 1024, 0, 0};
  const int64_t layers[2] = {0, 1};
  message[0] = '\0';
  Any owned[6] = {};  // config, layers, kinds, init, no tuple, first tuple
  Any merge = {};
  Any lone = {};
  void* init = nullptr;
  bool made = MakeShape(config, elements, &owned[0]) == 0 && MakeShape(layers, 2, &owned[1]) == 0 &&
              MakeShape(&kLatentLayer, 1, &owned[2]) == 0 &&
              TVMFFITensorFromDLPack(&g_scalar, 0, 0, &init) == 0;
  if (made) {
    owned[3].type = kTensor;
    owned[3].v.ptr = init;
    made = CallGlobal("ffi.Array", nullptr, 0, &owned[4]) == 0;
  }
  if (made && tag != nullptr) {
    ByteArray text = Name(tag);
    made = TVMFFIStringFromByteArray(&text, &lone) == 0 &&
           CallGlobal("ffi.Array", &lone, 1, &owned[5]) == 0;
  }
  Any function = {};
  function.type = kFunction;
  function.v.ptr = g_constructor;
  made = made && CallGlobal("ffi.Array", &function, 1, &merge) == 0;
  if (made) {
    Any args[kArguments] = {};
    args[kConfigAt] = owned[0];
    args[1] = owned[1];
    for (int i = 2; i <= 5; ++i) {
      args[i].type = kInt;
      args[i].v.i = 1;
    }
    args[kKindsAt] = owned[2];
    args[7].type = kBool;
    args[8].type = kInt;
    args[9].type = args[10].type = kFloat;
    args[9].v.f = args[10].v.f = 1;
    args[12] = owned[3];
    for (int i = kFirstTuple; i <= kLastTuple; ++i) args[i] = owned[4];
    if (tag != nullptr) args[kFirstTuple] = owned[5];
    args[23] = merge;
    for (int i = 24; i <= 27; ++i) args[i] = function;
    Any result = {};
    if (TVMFFIFunctionCall(g_constructor, args, kArguments, &result) == 0) Release(&result);
  }
  void* error = nullptr;
  TVMFFIErrorMoveFromRaised(&error);
  if (error != nullptr) {
    if (made) {
      const ErrorCell* cell =
          reinterpret_cast<const ErrorCell*>(static_cast<const ObjectHeader*>(error) + 1);
      snprintf(message, capacity, "%.*s", static_cast<int>(cell->message.size),
               cell->message.data);
    }
    TVMFFIObjectDecRef(error);
  }
  for (Any& value : owned) Release(&value);
  Release(&merge);
  Release(&lone);
}

enum Answer { kYes, kNo, kUnknown };

// A tag that nobody accepts gives the refusal of tags. A known tag that is
// refused otherwise got past that point: its tuple is too short.
void AskTags(Answer* tir, Answer* tirx) {
  char refused[512], with_tir[512], with_tirx[512];
  Ask(5, "artcheck: no such tag", refused, sizeof(refused));
  Ask(5, "tir", with_tir, sizeof(with_tir));
  Ask(5, "tirx", with_tirx, sizeof(with_tirx));
  *tir = *tirx = kUnknown;
  if (refused[0] == '\0' || with_tir[0] == '\0' || with_tirx[0] == '\0') return;
  bool tir_passes = strcmp(refused, with_tir) != 0;
  bool tirx_passes = strcmp(refused, with_tirx) != 0;
  if (!tir_passes && !tirx_passes) return;  // something before the tags refuses
  *tir = tir_passes ? kYes : kNo;
  *tirx = tirx_passes ? kYes : kNo;
}

// Five elements are accepted everywhere and end in the refusal of latent layers
// with a sliding window. Seven are accepted nowhere. Six are as one of them.
Answer AskSixElements() {
  char five[512], six[512], seven[512];
  Ask(5, nullptr, five, sizeof(five));
  Ask(6, nullptr, six, sizeof(six));
  Ask(7, nullptr, seven, sizeof(seven));
  if (five[0] == '\0' || six[0] == '\0' || seven[0] == '\0') return kUnknown;
  if (strcmp(five, seven) == 0) return kUnknown;
  return strcmp(five, six) == 0 ? kYes : kNo;
}

// ---- the wrapper

// If the value is a tuple whose first element is the foreign tag, an equal tuple
// with this runtime's tag in *out. *out stays empty otherwise.
int Translate(const Any* value, Any* out) {
  if (value->type != kArray) return 0;
  Any args[2] = {*value, {}};
  Any size = {};
  int status = CallGlobal("ffi.ArraySize", args, 1, &size);
  if (status != 0) return status;
  if (size.type != kInt || size.v.i < 1 || size.v.i > 16) return 0;
  Any items[16] = {};
  args[1].type = kInt;
  for (args[1].v.i = 0; args[1].v.i < size.v.i && status == 0; ++args[1].v.i) {
    status = CallGlobal("ffi.ArrayGetItem", args, 2, &items[args[1].v.i]);
  }
  if (status == 0 && Equals(TextOf(&items[0]), g_from)) {
    Release(&items[0]);
    ByteArray tag = Name(g_to);
    status = TVMFFIStringFromByteArray(&tag, &items[0]);
    if (status == 0) status = CallGlobal("ffi.Array", items, static_cast<int32_t>(size.v.i), out);
  }
  for (Any& item : items) Release(&item);
  return status;
}

// Six config elements as five, if no layer has a window of its own.
int Shorten(const Any* config, const Any* kinds, Any* out) {
  ShapeCell cell = ShapeOf(config);
  if (cell.size != 6) return 0;
  ShapeCell layers = ShapeOf(kinds);
  for (size_t i = 0; i < layers.size; ++i) {
    if (layers.data[i] != kSlidingLayer) continue;
    char text[320];
    snprintf(text, sizeof(text),
             "artcheck shim: layer %zu has a sliding window of its own (size %lld, the sixth "
             "element of the cache config), and this runtime takes only five elements, so the "
             "window would be lost; run this model on TVM 0.27 or later",
             i, static_cast<long long>(cell.data[5]));
    TVMFFIErrorSetRaisedFromCStr("ValueError", text);
    return -1;
  }
  return MakeShape(cell.data, 5, out);
}

int Construct(void*, const Any* args, int32_t count, Any* result) {
  if (count <= kLastTuple || count > 64) {
    return TVMFFIFunctionCall(g_constructor, const_cast<Any*>(args), count, result);
  }
  Any changed[64];
  memcpy(changed, args, sizeof(Any) * static_cast<size_t>(count));
  Any made[kLastTuple + 1] = {};
  int status = 0;
  if (g_shorten) status = Shorten(&args[kConfigAt], &args[kKindsAt], &made[kConfigAt]);
  if (g_from != nullptr) {
    for (int i = kFirstTuple; i <= kLastTuple && status == 0; ++i) {
      status = Translate(&args[i], &made[i]);
    }
  }
  for (int i = 0; i <= kLastTuple; ++i) {
    if (made[i].type != kNone) changed[i] = made[i];
  }
  if (status == 0) status = TVMFFIFunctionCall(g_constructor, changed, count, result);
  for (Any& value : made) Release(&value);
  return status;
}

void InstallKvCache() {
  bool want_tag = SHIM_ATTENTION_TAG && !g_tag.settled;
  bool want_config = SHIM_CACHE_CONFIG && !g_config.settled;
  if (!want_tag && !want_config) return;
  void* constructor = FindGlobal(kConstructor);
  if (constructor == nullptr) return;  // the runtime is not there yet
  want_tag = want_tag && Claim(&g_tag);
  want_config = want_config && Claim(&g_config);
  if (!want_tag && !want_config) {
    TVMFFIObjectDecRef(constructor);
    return;
  }
  g_constructor = constructor;  // kept for the life of the process
  if (want_tag) {
    Answer tir, tirx;
    AskTags(&tir, &tirx);
    if (tir == kUnknown) {
      Settle(&g_tag, "nothing done: could not find out which tags this runtime accepts");
    } else if (tir == kYes && tirx == kYes) {
      Settle(&g_tag, "nothing to do: this runtime accepts both tags");
    } else {
      g_from = tir == kYes ? "tirx" : "tir";
      g_to = tir == kYes ? "tir" : "tirx";
      Settle(&g_tag, tir == kYes ? "translates tirx to tir" : "translates tir to tirx");
    }
  }
  if (want_config) {
    Answer six = AskSixElements();
    g_shorten = six == kNo;
    Settle(&g_config, six == kNo    ? "shortens 6 config elements to 5"
                      : six == kYes ? "nothing to do: this runtime accepts 6 config elements"
                                    : "nothing done: could not find out which config this runtime "
                                      "accepts");
  }
  if (g_from != nullptr || g_shorten) {
    if (SetGlobal(kConstructor, nullptr, Construct) == 0) return;
    DropError();
    if (g_from != nullptr) Settle(&g_tag, "nothing done: the runtime did not take the wrapper");
    if (g_shorten) Settle(&g_config, "nothing done: the runtime did not take the wrapper");
  }
}

}  // namespace
