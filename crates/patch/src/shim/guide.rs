//! How to load a shim, in words, for the place where it was built for.

use super::part::{ShimPart, ShimPlan};
use super::target::ShimTarget;

/// The ways to load the library, and when each works.
pub fn how_to_load(library: &str, plan: &ShimPlan, target: ShimTarget) -> String {
    let mut text = String::from("How to load it (one of these is enough):\n");
    if target.is_elf() {
        text.push_str(&format!(
            "  LD_PRELOAD={library} PROGRAM\n    \
             works for every program that loads the runtime as a shared library; the shim brings\n    \
             the runtime in first, from the folders that it was built with. If the program has a\n    \
             copy of its own, put the folders of that copy into LD_LIBRARY_PATH, which goes\n    \
             before: two copies in one process do not work\n"
        ));
    } else {
        text.push_str(&format!(
            "  DYLD_INSERT_LIBRARIES={library} PROGRAM\n    \
             works for programs that macOS does not protect: not below /usr/bin or /bin, and not\n    \
             signed with the hardened runtime, unless its entitlements allow it\n"
        ));
    }
    text.push_str(&format!(
        "  dlopen(\"{library}\", RTLD_NOW | RTLD_GLOBAL)\n    \
         works after or before the runtime is loaded, and must come before the model library is\n    \
         loaded; in Python: ctypes.CDLL(\"{library}\", ctypes.RTLD_GLOBAL) after import tvm\n"
    ));
    text.push_str(&format!(
        "  link it: CC ... {library} -ltvm_runtime -ltvm_ffi\n    \
         works for a program that you build;\n    name the shim {}\n",
        if target.is_elf() {
            "with -Wl,--no-as-needed before it, or the linker may drop it"
        } else {
            "as -Wl,-needed_library, or the linker may drop it"
        }
    ));
    if plan.has(ShimPart::ContextSlots) {
        text.push_str(
            "context-slots: pointers are filled when a model library is loaded, so one that is\n  \
             loaded already keeps its empty ones.\n",
        );
    }
    if plan.has(ShimPart::AttentionTag) || plan.has(ShimPart::CacheConfig) {
        text.push_str(
            "attention-tag, cache-config: a virtual machine looks its functions up when it is\n  \
             initialised, so load the shim before that.\n",
        );
    }
    if plan.has(ShimPart::MetalPayload) {
        text.push_str(
            "metal-payload: libtvm_runtime_metal must be loaded when the shim is; if it comes\n  \
             later, call artcheck_shim_install() after it.\n",
        );
    }
    if plan.has(ShimPart::DeviceApi) {
        text.push_str(
            "device-api: made from this runtime's headers; use it with this runtime only, and link\n  \
             the client to it.\n",
        );
    } else {
        text.push_str(
            "This library uses only the tvm-ffi C ABI, which is the same since TVM 0.22: the file\n\
             serves other releases of the runtime too (tried on 0.25, 0.26 and 0.27).\n",
        );
    }
    text
}
