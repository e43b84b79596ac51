//! How to load a shim, in words, for the place where it was built for.

use super::part::{ShimPart, ShimPlan};
use super::target::ShimTarget;

/// The ways to load the library, and when each works.
pub fn how_to_load(library: &str, plan: &ShimPlan, target: ShimTarget) -> String {
    let mut text = String::from("How to load it (one of these is enough):\n");
    if target.is_elf() {
        text.push_str(&format!(
            "  LD_PRELOAD={library} PROGRAM\n    \
             works for every program that loads the runtime as a shared library. The shim loads \
             the runtime that it was built with. If the program has its own copy, put the folders \
             of that copy into LD_LIBRARY_PATH: two copies in one process do not work.\n"
        ));
    } else {
        text.push_str(&format!(
            "  DYLD_INSERT_LIBRARIES={library} PROGRAM\n    \
             works for programs that macOS does not protect: not below /usr/bin or /bin, and not \
             signed with the hardened runtime, unless its entitlements allow it.\n"
        ));
    }
    text.push_str(&format!(
        "  dlopen(\"{library}\", RTLD_NOW | RTLD_GLOBAL)\n    \
         works before or after the runtime is loaded, and before the model library is loaded. \
         In Python, after import tvm: ctypes.CDLL(\"{library}\", ctypes.RTLD_GLOBAL)\n"
    ));
    text.push_str(&format!(
        "  link it: CC ... {library} -ltvm_runtime -ltvm_ffi\n    \
         works for a program that you build. Name the shim {}.\n",
        if target.is_elf() {
            "with -Wl,--no-as-needed before it, or the linker may drop it"
        } else {
            "as -Wl,-needed_library, or the linker may drop it"
        }
    ));
    if plan.has(ShimPart::ContextSlots) {
        text.push_str(
            "context-slots: slots are filled when a model library is loaded. A library that is \
             already loaded keeps its empty slots.\n",
        );
    }
    if plan.has(ShimPart::AttentionTag) || plan.has(ShimPart::CacheConfig) {
        text.push_str(
            "attention-tag, cache-config: load the shim before the VM is initialised, because the \
             VM looks its functions up then.\n",
        );
    }
    if plan.has(ShimPart::MetalPayload) {
        text.push_str(
            "metal-payload: load libtvm_runtime_metal before the shim. If it is loaded later, call \
             artcheck_shim_install() after it.\n",
        );
    }
    if plan.has(ShimPart::DeviceApi) {
        text.push_str(
            "device-api: made from this runtime's headers. Use it with this runtime only, and link \
             the client to it.\n",
        );
    } else {
        text.push_str(
            "This library uses only the tvm-ffi C ABI, which has been the same since TVM 0.22. It \
             works with other releases of the runtime too (tried on 0.25, 0.26 and 0.27).\n",
        );
    }
    text
}
