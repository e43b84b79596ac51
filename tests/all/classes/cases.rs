//! The table: one or more cases per class.

use super::Case;
use super::devices::{device, fatbin, hsaco, metallib, spirv, static_model};
use super::makers::{
    FFI, NOTHING, android, app, argument, cached, chat, client, dylib, ffi_folder, in_venv,
    llvm_twice, model, named_client, on, page, site, slides, sliding, string_client, typed,
    weights, with,
};
use crate::support::make::{DYLIB, corpus};
use crate::support::unpacked;

/// Made of the corpus, some with the system's C compiler.
pub const CASES: &[Case] = &[
    Case {
        class: "A.",
        code: "AC104",
        what: "27 arguments for a builtin that takes 28 or 29",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-arguments-27-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "A.",
        code: "AC104",
        what: "a tensor of unknown type, checked as 0.26 has it",
        breaks: |folder| argument(folder, &[(2, 3), (2, 4)], &[NOTHING, (2, 4)]),
        near: |folder| argument(folder, &[(2, 3), (2, 4)], &[(2, 3), (2, 4)]),
    },
    Case {
        class: "A.",
        code: "AC104",
        what: "a number where a tensor is allocated with a shape",
        breaks: |folder| argument(folder, &[(1, 0), (2, 8)], &[(1, 0), (1, 8)]),
        near: |folder| argument(folder, &[(1, 0), (2, 8)], &[(1, 0), (2, 5)]),
    },
    Case {
        class: "A.",
        code: "AC104",
        what: "a tensor of four-bit numbers, and one of a byte each",
        breaks: |folder| typed(folder, 0, 4),
        near: |folder| typed(folder, 0, 8),
    },
    Case {
        class: "A.",
        code: "AC108",
        what: "a cache of which every layer slides, and one of which one does",
        breaks: |folder| slides(folder, [3, 3], "tvm-0.26"),
        near: |folder| slides(folder, [0, 3], "tvm-0.26"),
    },
    Case {
        class: "A.",
        code: "AC105",
        what: "six elements of cache configuration, before and after 0.27",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-config-6-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| {
            on(
                "synthetic/dense-ext-0.26-config-6-cpu-x86_64.so",
                "tvm-0.27",
            )
        },
    },
    Case {
        class: "A.",
        code: "AC101",
        what: "the FlashInfer tag over a tuple of two",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-flashinfer-tag-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "A.",
        code: "AC108",
        what: "a layer with its own sliding window, compiled by 0.26, on 0.27 and on 0.26",
        breaks: |folder| sliding(folder, "tvm-0.27"),
        near: |folder| sliding(folder, "tvm-0.26"),
    },
    Case {
        class: "A.",
        code: "AC108",
        what: "the same library with that layer and without",
        breaks: |folder| sliding(folder, "tvm-0.27"),
        near: |_| on("tvm-0.26/dense-cpu-x86_64.so", "tvm-0.27"),
    },
    Case {
        class: "B.",
        code: "AC103",
        what: "a builtin that no release has",
        breaks: |_| {
            on(
                "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "C.",
        code: "AC208",
        what: "`model_lib` with a dash where the prefix has an underscore",
        breaks: |folder| app(folder, "artcheck-extcall"),
        near: |folder| app(folder, "artcheck_extcall"),
    },
    Case {
        class: "C.",
        code: "AC208",
        what: "a static model whose constructor was dropped",
        breaks: |folder| static_model(folder, ""),
        near: |folder| {
            static_model(
                folder,
                "__attribute__((constructor)) static void f(void) {}",
            )
        },
    },
    Case {
        class: "D.",
        code: "AC106",
        what: "an executable under the kind of before 2025-03",
        breaks: |_| on("synthetic/extcall-old-kind-cpu-x86_64.so", "tvm-0.27"),
        near: |_| on("tvm-0.27/extcall-cpu-x86_64.so", "tvm-0.27"),
    },
    Case {
        class: "E.",
        code: "AC202",
        what: "a slot of 0.26, on the runtime before it and on its own",
        breaks: |_| on("synthetic/extcall-0.25-new-slot-cpu-x86_64.so", "tvm-0.25"),
        near: |_| on("synthetic/extcall-0.25-new-slot-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "K.",
        code: "AC301",
        what: "metadata without `max_batch_size`",
        breaks: |folder| model(folder, b"\"max_batch_size\"", b"\"MAX_batch_size\""),
        near: |folder| model(folder, b"\"max_batch_size\"", b"\"max_batch_size\""),
    },
    Case {
        class: "K.",
        code: "AC301",
        what: "an engine's library without `batch_decode`",
        breaks: |folder| {
            model(
                folder,
                b"\x0c\0\0\0\0\0\0\0batch_decode",
                b"\x0c\0\0\0\0\0\0\0batch_DECODE",
            )
        },
        near: |folder| {
            model(
                folder,
                b"\x0c\0\0\0\0\0\0\0batch_verify",
                b"\x0c\0\0\0\0\0\0\0batch_VERIFY",
            )
        },
    },
    Case {
        class: "L.",
        code: "AC302",
        what: "one more row in one parameter",
        breaks: |folder| weights(folder, 1, "tensor-cache.json"),
        near: |folder| weights(folder, 0, "tensor-cache.json"),
    },
    Case {
        class: "M.",
        code: "AC302",
        what: "the index under the name of before 0.22",
        breaks: |folder| weights(folder, 0, "ndarray-cache.json"),
        near: |folder| weights(folder, 0, "tensor-cache.json"),
    },
    Case {
        class: "N.",
        code: "AC402",
        what: "a C++ function left to JavaScript",
        breaks: |folder| page(folder, "_ZN3tvm7runtime15NVTXScopedRangeD1Ev"),
        near: |folder| page(folder, "_ZN3tvm7runtime9threading10NumThreadsEv"),
    },
    Case {
        class: "O.",
        code: "AC001",
        what: "a Git LFS pointer",
        breaks: |_| with(corpus("synthetic/git-lfs-pointer.so"), &[]),
        near: |_| with(corpus("tvm-0.27/extcall-cpu-x86_64.so"), &[]),
    },
    Case {
        class: "O.",
        code: "AC001",
        what: "an AppleDouble member in the archive",
        breaks: |_| with(corpus("synthetic/extcall-0.25-ios-appledouble.tar"), &[]),
        near: |_| with(corpus("tvm-0.25/extcall-cpu-ios.tar"), &[]),
    },
    Case {
        class: "O.",
        code: "AC002",
        what: "a library for macOS on iOS",
        breaks: |_| with(corpus(DYLIB), &["--target", "aarch64-ios"]),
        near: |_| with(corpus(DYLIB), &["--target", "aarch64-macos"]),
    },
    Case {
        class: "Q.",
        code: "AC005",
        what: "an Android library with pages of 4 KiB, and with pages of 16",
        breaks: |folder| android(folder, "0x1000"),
        near: |folder| android(folder, "0x4000"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a cubin for sm_90 (NVRTC's)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-cuda-x86_64.so"),
                &["--target", "x86_64-linux+sm_80"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-cuda-x86_64.so"),
                &["--target", "x86_64-linux+sm_90"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "more storage buffers than the page's GPU has (TVM's WGSL)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+storage-buffers=1"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+storage-buffers=8"],
            )
        },
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "more threads per workgroup than the page's GPU has (TVM's WGSL)",
        breaks: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+workgroup-threads=32"],
            )
        },
        near: |_| {
            with(
                corpus("tvm-0.27/embedding-webgpu.wasm"),
                &["--target", "wasm32-web+workgroup-threads=256"],
            )
        },
    },
    Case {
        class: "R.",
        code: "AC303",
        what: "a larger prefill chunk than planned",
        breaks: |folder| chat(folder, 1),
        near: |folder| chat(folder, 0),
    },
    Case {
        class: "T. attention tag",
        code: "AC101",
        what: "`tir` where the runtime reads `tirx`",
        breaks: |_| on("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so", "tvm-0.27"),
        near: |_| on("tvm-0.26/dense-ext-cpu-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "T. device payload order",
        code: "AC107",
        what: "Metal fields in the order of before 0.24",
        breaks: |_| {
            on(
                "synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so",
                "tvm-0.26",
            )
        },
        near: |_| on("tvm-0.26/embedding-metal-linux-x86_64.so", "tvm-0.26"),
    },
    Case {
        class: "T. code signature",
        code: "AC004",
        what: "a dylib for arm64 without a signature",
        breaks: |folder| dylib(folder, 0x29),
        near: |folder| dylib(folder, 0x1d),
    },
    Case {
        class: "T. executable format",
        code: "AC102",
        what: "a constant of a code that the release does not know",
        breaks: |_| {
            on(
                "synthetic/extcall-unknown-constant-cpu-x86_64.so",
                "tvm-0.27",
            )
        },
        near: |_| on("tvm-0.27/extcall-cpu-x86_64.so", "tvm-0.27"),
    },
];

/// Made of real runtimes, or with tools that come with them.
pub const OF_REAL_PARTS: &[Case] = &[
    Case {
        class: "D.",
        code: "AC106",
        what: "a Metal module on the Linux wheel",
        breaks: |_| {
            in_venv(
                corpus("tvm-0.27/embedding-metal-linux-x86_64.so"),
                "tvm-0.27",
            )
        },
        near: |_| in_venv(corpus("tvm-0.27/embedding-cpu-x86_64.so"), "tvm-0.27"),
    },
    Case {
        class: "E.",
        code: "AC203",
        what: "a C function that 0.26 dropped",
        breaks: |folder| client(folder, "TVMBackendGetFuncFromEnv", "tvm-0.26"),
        near: |folder| client(folder, "TVMBackendGetFuncFromEnv", "tvm-0.25"),
    },
    Case {
        class: "E.",
        code: "AC201",
        what: "a function of the flat device interface",
        breaks: |folder| client(folder, "TVMDeviceAPIGet", "tvm-0.27"),
        near: |folder| client(folder, "TVMFFIFunctionCall", "tvm-0.27"),
    },
    Case {
        class: "F.",
        code: "AC204",
        what: "the runtime's own function over the other std::string",
        breaks: |folder| string_client(folder, "-D_GLIBCXX_USE_CXX11_ABI=0"),
        near: |folder| string_client(folder, "-D_GLIBCXX_USE_CXX11_ABI=1"),
    },
    Case {
        class: "G.",
        code: "AC205",
        what: "a SONAME of the build machine",
        breaks: |folder| named_client(folder, "/srv/build/target/libclient.so"),
        near: |folder| named_client(folder, "libclient.so"),
    },
    Case {
        class: "H.",
        code: "AC206",
        what: "two copies of libtvm_ffi in one folder",
        breaks: |folder| ffi_folder(folder, &["libtvm_ffi.so", "libtvm_ffi_bundled.so"]),
        near: |folder| ffi_folder(folder, &["libtvm_ffi.so"]),
    },
    Case {
        class: "H.",
        code: "AC206",
        what: "two libraries with an LLVM that all can see",
        breaks: |folder| llvm_twice(folder, "default"),
        near: |folder| llvm_twice(folder, "hidden"),
    },
    Case {
        class: "I.",
        code: "AC207",
        what: "tvm-ffi 0.1.13.post0, which nothing but itself fits; its metadata around 0.1.13.post2's library",
        breaks: |folder| site(folder, "0.26", "0.1.13.post2", "0.1.13.post0"),
        near: |folder| site(folder, "0.26", "0.1.13.post2", "0.1.13.post2"),
    },
    Case {
        class: "J.",
        code: "AC207",
        what: "a tvm-ffi below what the package asks for, though every symbol is there",
        breaks: |folder| site(folder, "0.27", "0.1.13.post2", "0.1.13.post2"),
        near: |folder| site(folder, "0.27", "0.1.15.post2", "0.1.15.post2"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a fatbin (NVIDIA's) without an image for the GPU",
        breaks: |folder| device(folder, "cuda", "fatbin", fatbin(), "x86_64-linux+sm_75"),
        near: |folder| device(folder, "cuda", "fatbin", fatbin(), "x86_64-linux+sm_86"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "an AMD code object for another processor",
        breaks: |folder| device(folder, "rocm", "hsaco", hsaco(0x41), "x86_64-linux+gfx1030"),
        near: |folder| device(folder, "rocm", "hsaco", hsaco(0x41), "x86_64-linux+gfx1100"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "SPIR-V with 64-bit integers",
        breaks: |folder| device(folder, "vulkan", "vulkan", spirv(11), "x86_64-linux+no-i64"),
        near: |folder| device(folder, "vulkan", "vulkan", spirv(11), "x86_64-linux+no-f16"),
    },
    Case {
        class: "P.",
        code: "AC401",
        what: "a metallib for macOS 14 where 13 is to be supported",
        breaks: |folder| device(folder, "metal", "metallib", metallib(), "x86_64-macos.13"),
        near: |folder| device(folder, "metal", "metallib", metallib(), "x86_64-macos.14"),
    },
    Case {
        class: "Q.",
        code: "AC003",
        what: "a library that asks for a newer glibc",
        breaks: |_| {
            with(
                unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI),
                &["--target", "x86_64-linux.2.12"],
            )
        },
        near: |_| {
            with(
                unpacked("tvm-ffi-0.1.15.post2-linux-x86_64").join(FFI),
                &["--target", "x86_64-linux.2.28"],
            )
        },
    },
    Case {
        class: "S.",
        code: "AC202",
        what: "a library of 0.25's host code in the cache of 0.27",
        breaks: |folder| cached(folder, "synthetic/extcall-0.26-old-slot-cpu-x86_64.so"),
        near: |folder| cached(folder, "tvm-0.27/extcall-cpu-x86_64.so"),
    },
    Case {
        class: "T. device API",
        code: "AC201",
        what: "another function of the flat device interface",
        breaks: |folder| client(folder, "TVMDeviceAPIAllocDataSpace", "tvm-0.26"),
        near: |folder| client(folder, "TVMFFIFunctionCall", "tvm-0.26"),
    },
];
