// ---- Part context-slots -----------------------------------------------------
//
// A model library looks functions up through pointers that the runtime fills in
// when it loads the library. TVM 0.26 replaced one pointer by two, in one commit
// that also removed TVMBackendGetFuncFromEnv; whether the runtime exports that
// function therefore tells which pointers it fills. The others are registered
// here, each as the function that does the very same.

extern "C" {
int TVMFFIEnvModLookupFromImports(void* library, const char* name, void** out);
int TVMFFIEnvModRegisterContextSymbol(const char* name, void* function);
// Absent from tvm-ffi before 0.1.5.
__attribute__((weak)) int TVMFFIHandleInitOnce(void** handle, int (*init)(void** result));
}

// The same under its C name, for code that links to it: system libraries built
// by TVM 0.25 and before. A runtime that has its own keeps using its own.
SHIM_EXPORT int TVMBackendGetFuncFromEnv(void* library, const char* name, void** out) {
  return TVMFFIEnvModLookupFromImports(library, name, out);
}

namespace {

Part g_slots = {"context-slots", false, "not installed"};

// Forwards exactly; not the exported function below, which another may stand for.
int GetFuncFromEnv(void* library, const char* name, void** out) {
  return TVMFFIEnvModLookupFromImports(library, name, out);
}

// Whether a loaded library, or one that it is linked to, exports the symbol. The
// runtime is not linked to the shim, so the shim's own export does not count.
bool Exports(const char* library, const char* symbol) {
  void* handle = dlopen(library, RTLD_NOLOAD | RTLD_LAZY);
  if (handle == nullptr) return false;
  void* found = dlsym(handle, symbol);
  dlclose(handle);
  return found != nullptr;
}

bool RuntimeHas(const char* symbol) {
  const char* libraries[] = SHIM_RUNTIME_NAMES;
  for (const char* library : libraries) {
#ifdef __APPLE__
    // dyld finds a loaded library by its path alone, so look the path up.
    for (uint32_t i = 0; i < _dyld_image_count(); ++i) {
      const char* path = _dyld_get_image_name(i);
      const char* leaf = strrchr(path, '/');
      if (strcmp(leaf == nullptr ? path : leaf + 1, library) != 0) continue;
      if (Exports(path, symbol)) return true;
    }
#else
    if (Exports(library, symbol)) return true;
#endif
  }
  return false;
}

void InstallContextSlots() {
  if (g_slots.settled) return;
  // A runtime without the KV cache constructor is not loaded yet, or has no VM.
  void* constructor = FindGlobal("vm.builtin.paged_attention_kv_cache_create");
  if (constructor == nullptr) return;
  TVMFFIObjectDecRef(constructor);
  if (!Claim(&g_slots)) return;
  if (RuntimeHas("TVMBackendGetFuncFromEnv")) {
    TVMFFIEnvModRegisterContextSymbol("__TVMFFIEnvModLookupFromImports",
                                      reinterpret_cast<void*>(&TVMFFIEnvModLookupFromImports));
    if (&TVMFFIHandleInitOnce != nullptr) {
      TVMFFIEnvModRegisterContextSymbol("__TVMFFIHandleInitOnce",
                                        reinterpret_cast<void*>(&TVMFFIHandleInitOnce));
    }
    Settle(&g_slots, "fills __TVMFFIEnvModLookupFromImports and __TVMFFIHandleInitOnce");
  } else {
    TVMFFIEnvModRegisterContextSymbol("__TVMBackendGetFuncFromEnv",
                                      reinterpret_cast<void*>(&GetFuncFromEnv));
    Settle(&g_slots, "fills __TVMBackendGetFuncFromEnv");
  }
}

}  // namespace
