//! Blobs and payloads written here, byte by byte from docs/formats.md#blob, in
//! every layout; the reader must give back what was written and say which
//! layout it was.

use artcheck_inspect::module::{
    Blob, BlobLayout, DevicePayload, FunctionInfoForm, KernelInfo, Payload, PayloadOrder,
};
use artcheck_inspect::vm::{DataType, Magic};

use crate::writer::{self, Bytes};

const KERNELS: usize = 3;

fn kernel(index: usize) -> KernelInfo {
    KernelInfo {
        key: format!("kernel_{index}"),
        name: if index == 0 {
            String::new()
        } else {
            format!("kernel_{index}")
        },
        arg_types: vec![
            DataType {
                code: 3,
                bits: 64,
                lanes: 1
            };
            index
        ],
        launch_tags: vec!["blockIdx.x".into(), "threadIdx.x".into()],
        extra_tags: Vec::new(),
    }
}

fn kernels(form: FunctionInfoForm) -> Vec<KernelInfo> {
    let mut kernels: Vec<KernelInfo> = (0..KERNELS).map(kernel).collect();
    if form == FunctionInfoForm::ExtraTags {
        for kernel in &mut kernels {
            kernel.extra_tags = vec![0; kernel.arg_types.len()];
        }
    }
    kernels
}

fn source(index: usize) -> (String, Vec<u8>) {
    let text = format!(
        "kernel void kernel_{index}() {{ /* {} */ }}",
        "x".repeat(index * 7)
    );
    (format!("kernel_{index}"), text.into_bytes())
}

fn sources() -> Vec<(String, Vec<u8>)> {
    (0..KERNELS).map(source).collect()
}

/// The payload of a kind, in an order and form, and its code by name.
fn device(
    kind: &str,
    order: PayloadOrder,
    form: FunctionInfoForm,
) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let extra = form == FunctionInfoForm::ExtraTags;
    let kernels = kernels(form);
    let mut out = Bytes::default();
    let before = order == PayloadOrder::Before24;
    match kind {
        "metal" if before => {
            out.str("0.1.0")
                .texts(&sources())
                .kernels(&kernels, extra)
                .str("metal");
            (out.0, sources())
        }
        "metal" => {
            out.str("metal").kernels(&kernels, extra).texts(&sources());
            (out.0, sources())
        }
        "webgpu" => {
            out.kernels(&kernels, extra).texts(&sources());
            (out.0, sources())
        }
        "vulkan" => {
            out.str("vulkan")
                .kernels(&kernels, extra)
                .u64(KERNELS as u64);
            let mut code = Vec::new();
            for index in 0..KERNELS {
                let words: Vec<u8> = (0..4 * (index as u8 + 1)).collect();
                let mut shader = Bytes::default();
                shader.u32(1).u64(index as u64 + 1).raw(&words);
                out.str(&format!("kernel_{index}"));
                if before {
                    out.raw(&shader.0);
                } else {
                    out.bytes(&shader.0);
                }
                code.push((format!("kernel_{index}"), words));
            }
            (out.0, code)
        }
        _ => {
            let binary = b"\x7fELF binary \0 code".to_vec();
            out.str("cubin").kernels(&kernels, extra).bytes(&binary);
            (out.0, vec![(String::new(), binary)])
        }
    }
}

fn check(blob: &[u8], decoded: &DevicePayload, code: &[(String, Vec<u8>)]) {
    let found: Vec<(String, Vec<u8>)> = decoded
        .code
        .iter()
        .map(|piece| {
            let start = usize::try_from(piece.offset).unwrap();
            let end = start + usize::try_from(piece.length).unwrap();
            (piece.name.clone(), blob[start..end].to_vec())
        })
        .collect();
    assert_eq!(found, code);
}

const KINDS: [&str; 7] = [
    "cuda", "opencl", "rocm", "hexagon", "metal", "vulkan", "webgpu",
];
const ORDERS: [PayloadOrder; 2] = [PayloadOrder::Before24, PayloadOrder::Since24];
const FORMS: [FunctionInfoForm; 2] = [FunctionInfoForm::Plain, FunctionInfoForm::ExtraTags];

fn expected_order(kind: &str, order: PayloadOrder) -> PayloadOrder {
    match kind {
        "metal" | "vulkan" => order,
        _ => PayloadOrder::Stable,
    }
}

fn as_device(payload: &Payload) -> &DevicePayload {
    match payload {
        Payload::Device(device) => device,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_device_payload_in_a_tree_first_blob() {
    for kind in KINDS {
        for order in ORDERS {
            for form in FORMS {
                let (payload, code) = device(kind, order, form);
                let bytes = writer::tree_first(
                    &[&[1], &[2], &[]],
                    &[
                        ("relax.VMExecutable", Some(writer::executable(Magic::V2))),
                        ("_lib", None),
                        (kind, Some(payload)),
                    ],
                );
                let blob = Blob::decode(&bytes).unwrap();
                assert_eq!(blob.layout, BlobLayout::TreeFirst);
                assert_eq!(blob.length, bytes.len() as u64);
                assert_eq!((blob.root, &blob.modules[0].children[..]), (0, &[1][..]));
                assert_eq!(blob.modules[1].payload, Payload::HostLibrary);
                assert_eq!(blob.executables().count(), 1);
                let decoded = as_device(&blob.modules[2].payload);
                assert_eq!(decoded.order, expected_order(kind, order), "{kind}");
                assert_eq!(decoded.function_info, form, "{kind} {order:?}");
                assert_eq!(decoded.kernels, kernels(form));
                check(&bytes, decoded, &code);
            }
        }
    }
}

/// Up to 0.21, and so never in the order of 0.24.
#[test]
fn every_device_payload_in_a_count_first_blob() {
    for kind in KINDS {
        for form in FORMS {
            let (payload, code) = device(kind, PayloadOrder::Before24, form);
            for vm in ["relax.Executable", "relax.VMExecutable"] {
                let mut executable = Bytes::default();
                executable.bytes(&writer::executable(Magic::V1));
                let bytes = writer::count_first(
                    &[
                        (vm, Some(executable.0)),
                        ("_lib", None),
                        (kind, Some(payload.clone())),
                    ],
                    Some(&[&[1], &[2], &[]]),
                );
                let blob = Blob::decode(&bytes).unwrap();
                assert_eq!(blob.layout, BlobLayout::CountFirst);
                assert_eq!(blob.modules[1].children, [2]);
                assert_eq!(blob.executables().next().unwrap().1.magic, Magic::V1);
                let decoded = as_device(&blob.modules[2].payload);
                assert_eq!(decoded.order, expected_order(kind, PayloadOrder::Before24));
                assert_eq!(decoded.function_info, form, "{kind}");
                assert_eq!(decoded.kernels, kernels(form));
                check(&bytes, decoded, &code);
            }
        }
    }
}

/// Two device modules in a row: the first one's end is known by its form alone.
#[test]
fn neighbouring_payloads_without_lengths() {
    for form in FORMS {
        let (metal, code) = device("metal", PayloadOrder::Before24, form);
        let (cuda, _) = device("cuda", PayloadOrder::Stable, form);
        let bytes = writer::count_first(
            &[("_lib", None), ("cuda", Some(cuda)), ("metal", Some(metal))],
            Some(&[&[1, 2], &[], &[]]),
        );
        let blob = Blob::decode(&bytes).unwrap();
        assert_eq!(blob.modules.len(), 3);
        assert_eq!(as_device(&blob.modules[1].payload).function_info, form);
        check(&bytes, as_device(&blob.modules[2].payload), &code);
    }
}

#[test]
fn unknown_kinds_are_kept_where_their_length_is_known() {
    let modules = [("_lib", None), ("cublas_json", Some(b"{}".to_vec()))];
    let blob = Blob::decode(&writer::tree_first(&[&[1], &[]], &modules)).unwrap();
    assert_eq!(blob.modules[1].payload, Payload::Unknown);
    assert_eq!(blob.modules[1].payload_length, 2);

    let bytes = writer::count_first(&modules, Some(&[&[1], &[]]));
    let error = Blob::decode(&bytes).unwrap_err();
    assert!(error.found.contains("cublas_json"), "{error}");
    assert!(error.expected.contains("records no lengths"), "{error}");
}

#[test]
fn a_library_alone_has_no_entries() {
    let blob = Blob::decode(&writer::count_first(&[], None)).unwrap();
    assert_eq!(blob.modules.len(), 1);
    assert_eq!(blob.modules[blob.root].payload, Payload::HostLibrary);

    // Older than the import tree: the library imports all that is listed.
    let (payload, _) = device("opencl", PayloadOrder::Stable, FunctionInfoForm::Plain);
    let blob = Blob::decode(&writer::count_first(&[("opencl", Some(payload))], None)).unwrap();
    assert_eq!(blob.modules[blob.root].children, [0]);
}

#[test]
fn constants_and_objects() {
    let mut constants = Bytes::default();
    constants.strs(&["weight"]).u64(1).tensor(&[2, 3], &[7; 24]);
    constants.strs(&["init"]).u64(1).strs(&["weight"]);
    let mut object = Bytes::default();
    object.bytes(b"\x7fELF").strs(&["f", "g"]);
    let modules = [
        ("_lib", None),
        ("const_loader", Some(constants.0)),
        ("static_library", Some(object.0)),
    ];
    let tree: [&[u64]; 3] = [&[1, 2], &[], &[]];
    for bytes in [
        writer::tree_first(&tree, &modules),
        writer::count_first(&modules, Some(&tree)),
    ] {
        let blob = Blob::decode(&bytes).unwrap();
        assert_eq!(
            blob.modules[1].payload,
            Payload::ConstLoader {
                variables: vec!["weight".into()],
                symbols: vec!["init".into()]
            }
        );
        assert_eq!(
            blob.modules[2].payload,
            Payload::StaticLibrary {
                functions: vec!["f".into(), "g".into()],
                size: 4
            }
        );
    }
}

#[test]
fn a_known_kind_that_does_not_decode_keeps_its_place() {
    let bytes = writer::tree_first(
        &[&[1], &[]],
        &[("_lib", None), ("metal", Some(b"no such payload".to_vec()))],
    );
    let blob = Blob::decode(&bytes).unwrap();
    match &blob.modules[1].payload {
        Payload::Undecodable { error } => assert!(error.at < 15, "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn trees_that_are_none_are_refused() {
    let lib: [(&str, Option<Vec<u8>>); 2] = [("_lib", None), ("_lib", None)];
    // A child that does not exist, and modules that import each other.
    for tree in [[&[2][..], &[]], [&[1], &[0]], [&[0], &[]]] {
        assert!(
            Blob::decode(&writer::tree_first(&tree, &lib)).is_err(),
            "{tree:?}"
        );
        assert!(
            Blob::decode(&writer::count_first(&lib, Some(&tree))).is_err(),
            "{tree:?}"
        );
    }
}

#[test]
fn a_bare_executable_is_a_blob_of_one_module() {
    let executable = writer::executable(Magic::V2);
    let mut with_length = Bytes::default();
    with_length.bytes(&executable);
    for (bytes, start) in [(&executable, 0), (&with_length.0, 8)] {
        let blob = Blob::decode_bare(bytes).unwrap();
        assert_eq!(blob.layout, BlobLayout::Bare);
        assert_eq!(blob.modules[0].payload_offset, start);
        assert_eq!(blob.executables().count(), 1);
    }
}

/// Cut anywhere, a blob is refused, and what is wrong lies inside it.
#[test]
fn cut_blobs_are_refused() {
    let (payload, _) = device("metal", PayloadOrder::Since24, FunctionInfoForm::ExtraTags);
    let bytes = writer::tree_first(
        &[&[1], &[2], &[]],
        &[
            ("relax.VMExecutable", Some(writer::executable(Magic::V2))),
            ("_lib", None),
            ("metal", Some(payload)),
        ],
    );
    for length in 0..bytes.len() {
        let mut cut = bytes[..length].to_vec();
        let error = Blob::decode(&cut).unwrap_err();
        assert!(error.at <= length as u64, "{error}");
        // The same with a length field that hides the cut.
        if let Some(field) = cut.first_chunk_mut::<8>() {
            *field = (length as u64 - 8).to_le_bytes();
            let error = Blob::decode(&cut).unwrap_err();
            assert!(error.at <= length as u64, "{error}");
        }
    }
}

/// The distances from a blob's start to the VM magic seen in real libraries
/// (docs/formats.md#a-blob-without-a-symbol), and the first fields of docs/formats.md#worked-example.
#[test]
fn executables_lie_where_the_notes_say() {
    let executable = writer::executable(Magic::V2);
    let mut with_length = Bytes::default();
    with_length.bytes(&executable);
    let (payload, _) = device("cuda", PayloadOrder::Stable, FunctionInfoForm::Plain);
    let vm = "relax.VMExecutable";
    let two: [&[u64]; 2] = [&[1], &[]];
    let three: [&[u64]; 3] = [&[1], &[2], &[]];
    let bare = Some(executable.clone());
    let counted = Some(with_length.0);
    for (bytes, distance) in [
        (
            writer::count_first(
                &[("relax.Executable", counted.clone()), ("_lib", None)],
                Some(&two),
            ),
            0x30,
        ),
        (
            writer::count_first(&[(vm, counted), ("_lib", None)], Some(&two)),
            0x32,
        ),
        (
            writer::tree_first(&two, &[(vm, bare.clone()), ("_lib", None)]),
            0x5a,
        ),
        (
            writer::tree_first(
                &three,
                &[(vm, bare), ("_lib", None), ("cuda", Some(payload))],
            ),
            0x6a,
        ),
    ] {
        let blob = Blob::decode(&bytes).unwrap();
        assert_eq!(blob.modules[0].payload_offset, distance);
        assert_eq!(blob.modules[0].payload_length, executable.len() as u64);
        let at = usize::try_from(distance).unwrap();
        assert_eq!(Magic::of(&bytes[at..]), Some(Magic::V2));
    }
}
