//! Tensors that kernels put together of memory that they are given: what they say of it
//! must be what it is.

use crate::support::make::{folder, model};
use crate::support::{rules, scan};

/// A kernel as TVM writes it: what it computes is in a function of its own, which is given
/// the memory of the kernel's tensors.
fn kernel(signature: &str, (code, bits): (u8, u8), memory: &str) -> String {
    format!(
        r#"
typedef struct {{ void *data; int type, id, ndim; unsigned dtype;
                 long *shape, *strides; long offset; }} Tensor;
typedef struct {{ int type, zero; union {{ long number; void *pointer; }}; }} Any;
__attribute__((weak)) void *__tvm_ffi__library_ctx;
__attribute__((weak)) int (*__TVMFFIFunctionCall)(void *, Any *, int, Any *);
__attribute__((weak)) int (*__TVMFFIEnvModLookupFromImports)(void *, const char *, void **);
__attribute__((weak)) const char *__tvm_words = "{signature}";
static void *handle;
__attribute__((noipa)) static int compute(void *data, void *out, Tensor *tensors, Any *args) {{
    static long shape[1] = {{6}};
    static char workspace[64];
    tensors[0] = (Tensor){{{memory}, 1, 0, 1, {code} | {bits} << 8 | 1 << 16, shape, 0, 0}};
    tensors[1] = (Tensor){{out, 1, 0, 1, 64 << 8 | 1 << 16, shape, 0, 0}};
    args[0] = (Any){{7, 0, {{.pointer = &tensors[0]}}}};
    args[1] = (Any){{7, 0, {{.pointer = &tensors[1]}}}};
    args[2] = (Any){{1, 0, {{.number = -1}}}};
    args[3] = (Any){{1, 0, {{.number = 1}}}};
    if (__TVMFFIEnvModLookupFromImports(__tvm_ffi__library_ctx, "tvm.contrib.sort.argsort", &handle))
        return -1;
    return __TVMFFIFunctionCall(handle, args, 4, &args[4]);
}}
int __tvm_ffi_argsort(void *self, Any *args, int count, Any *result) {{
    Tensor tensors[2];
    Any given[5];
    Tensor *data = args[0].pointer, *out = args[1].pointer;
    return compute(data->data, out->data, tensors, given);
}}
"#
    )
}

#[test]
fn a_kernel_hands_on_its_tensors_as_what_they_are() {
    let folder = folder();
    let of = |dtype: &str| {
        format!(
            "argsort(data_buf: Tensor([T.int64(6)], {dtype}), out_buf: Tensor([T.int64(6)], int64))"
        )
    };
    let float32 = (2, 32);
    for (name, signature, dtype, memory, is_error) in [
        ("bf16", of("bfloat16"), float32, "data", true),
        ("f8", of("float8_e4m3fn"), float32, "data", true),
        ("f32", of("float32"), float32, "data", false),
        ("f16", of("float16"), (2, 16), "data", false),
        // What it computed first is its own.
        ("own", of("bfloat16"), float32, "workspace", false),
        // A signature that is not read tells nothing.
        ("unread", of("max(n, 2)"), float32, "data", false),
    ] {
        let source = kernel(&signature, dtype, memory);
        let file = model(folder.path(), &format!("{name}.so"), &source, &["-O1"]);
        let (report, _) = scan([file.as_os_str(), "-r".as_ref(), "tvm-0.27".as_ref()]);
        let has_error = rules(&report, &["error"]).contains(&"AC104".into());
        assert_eq!(has_error, is_error, "{name}");
        let says = "hands their memory on as a tensor of float32: argument 0 of `tvm.contrib.sort.argsort`";
        assert_eq!(report.to_string().contains(says), is_error, "{name}");
    }
}
