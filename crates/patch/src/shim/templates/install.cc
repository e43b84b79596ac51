// ---- Installation -----------------------------------------------------------

// Installs the parts that can be installed now and are not yet. Runs when the
// shim is loaded; call it again after loading more of the runtime. Gives the
// number of parts that still wait for something.
SHIM_EXPORT int artcheck_shim_install(void) {
  @INSTALL@
  Part* const parts[] = {@PARTS@};
  int waiting = 0;
  for (Part* part : parts) waiting += !part->settled;
  if (getenv("ARTCHECK_SHIM_VERBOSE") != nullptr) {
    for (Part* part : parts) fprintf(stderr, "artcheck shim: %s: %s\n", part->name, part->state);
  }
  return waiting;
}

namespace {

__attribute__((constructor)) void InstallAtLoad() {
#ifdef __APPLE__
  // The runtime keeps pointers into this library, so it must never be unloaded.
  // (On Linux the linker is told so.)
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&InstallAtLoad), &self) != 0) {
    dlopen(self.dli_fname, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE);
  }
#endif
  artcheck_shim_install();
}

}  // namespace
