//! Plans of changes in place, on the corpus: what changes, what comes back,
//! what is refused.

mod corpus;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};

use artcheck_inspect::container;
use artcheck_inspect::module::{BlobLayout, Payload, PayloadOrder, locate};
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::kv_cache::kv_caches;
use artcheck_inspect::vm::{ConstantValue, Magic};
use artcheck_patch::inplace::convert::{self, ConvertOptions};
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Change, PlanError, Resign, Tag, sign};
use corpus::{
    artifact, as_compiled, bytes, carried_out, executable, library, release, replaced, tagged, with,
};

fn to(tag: Tag) -> RetagOptions<'static> {
    RetagOptions::to(tag)
}

fn partial() -> ConvertOptions {
    ConvertOptions {
        partial: true,
        ..ConvertOptions::default()
    }
}

fn listing(bytes: &[u8]) -> String {
    let mut text = String::new();
    for parsed in container::parse(bytes).expect("a binary") {
        for library in locate::find(&parsed) {
            for (_, executable) in library.blob.expect("a blob").executables() {
                text.push_str(&disassemble(executable).expect("a listing"));
                for constant in &executable.constants {
                    text.push_str(&match &constant.value {
                        ConstantValue::Tensor { dtype, shape, .. } => {
                            format!("{dtype:?} {shape:?}\n")
                        }
                        other => format!("{other:?}\n"),
                    });
                }
            }
        }
    }
    text
}

#[test]
fn there_and_back_gives_the_same_bytes() {
    for name in tagged() {
        let old = bytes(&name);
        let there =
            retag::plan(&old, &to(Tag::Tir)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tir = carried_out(&old, &there);
        assert_eq!(tir.len(), old.len(), "{name}");
        let again = retag::plan(&tir, &to(Tag::Tir)).expect("a tagged file");
        assert!(again.is_empty(), "{name}: patching twice changes nothing");
        let mut options = to(Tag::Tirx);
        if name.ends_with(".dylib") {
            // Mach-O has no symbol sizes: only the receipt knows of the byte.
            options.rooms = there.room;
        }
        let back = retag::plan(&tir, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(carried_out(&tir, &back), old, "{name}");
    }
}

#[test]
fn only_the_tag_differs_in_the_listing() {
    for name in tagged() {
        let old = bytes(&name);
        let new = carried_out(&old, &retag::plan(&old, &to(Tag::Tir)).expect("a plan"));
        let (before, after) = (listing(&old), listing(&new));
        assert!(before != after, "{name}");
        assert!(
            before.replace("String(\"tirx\")", "String(\"tir\")") == after,
            "{name}"
        );
    }
}

#[test]
fn growing_drops_the_empty_scopes_first() {
    for name in [
        "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so",
        "synthetic/dense-ext-0.27-tir-tag-cpu-x86_64.so",
    ] {
        let old = bytes(name);
        let plan = retag::plan(&old, &to(Tag::Tirx)).expect("a plan");
        let new = carried_out(&old, &plan);
        assert!(
            plan.libraries[0]
                .changes
                .contains(&Change::HeaderV1 { module: 0 }),
            "{name}"
        );
        assert_eq!(executable(&new).0.magic, Magic::V1);
        assert!(
            listing(&old).replace("String(\"tir\")", "String(\"tirx\")") == listing(&new),
            "{name}"
        );
    }
}

#[test]
fn growing_for_a_runtime_without_v1_cuts_a_quoted_text() {
    let old = bytes("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let mut runtime = release("tvm-0.26");
    runtime.vm_magics.value = Some(BTreeSet::from(["V2".to_owned()]));
    let options = RetagOptions {
        runtime: Some(&runtime),
        ..to(Tag::Tirx)
    };
    let plan = retag::plan(&old, &options).expect("a plan");
    let new = carried_out(&old, &plan);
    let cuts: Vec<_> = plan.libraries[0]
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::ContextString { constant, cut, .. } => Some((*constant, *cut)),
            _ => None,
        })
        .collect();
    assert_eq!(cuts.len(), 1);
    let (constant, cut) = cuts[0];
    assert_eq!(cut, 1);
    let text = |bytes: &[u8]| match &executable(bytes).0.constants[constant].value {
        ConstantValue::String(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(text(&old).starts_with("ErrorContext("));
    assert_eq!(text(&new), &text(&old)[..text(&old).len() - 1]);
    assert_eq!(executable(&new).0.magic, Magic::V2);
}

/// Without scopes to drop and texts to cut, only padding is left.
#[test]
fn growing_at_last_takes_padding_that_is_in_no_section() {
    let old = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let tir = carried_out(&old, &retag::plan(&old, &to(Tag::Tir)).expect("a plan"));
    let plain = replaced(&as_compiled(&tir), b"ErrorContext(", b"errorContext(");
    let mut runtime = release("tvm-0.26");
    runtime.vm_magics.value = Some(BTreeSet::from(["V2".to_owned()]));
    let options = RetagOptions {
        runtime: Some(&runtime),
        ..to(Tag::Tirx)
    };
    let refused = retag::plan(&plain, &options).expect_err("the byte behind the blob is .rodata's");
    assert!(
        matches!(
            refused,
            PlanError::NoRoom {
                needed: 1,
                found: 0,
                ..
            }
        ),
        "{refused}"
    );

    let shorter = shorter_rodata(&plain);
    let plan = retag::plan(&shorter, &options).expect("a byte of padding");
    let new = carried_out(&shorter, &plan);
    assert_eq!(plan.libraries[0].changes.len(), 1);
    let end =
        |bytes: &[u8]| library(bytes).file_offset + library(bytes).blob.expect("a blob").length;
    assert_eq!(end(&new), end(&shorter) + 1);
    let full = with(
        &shorter,
        end(&shorter) as usize..end(&shorter) as usize + 1,
        &[1],
    );
    assert!(
        matches!(retag::plan(&full, &options), Err(PlanError::NoRoom { .. })),
        "a byte in use is no padding"
    );
}

/// `.rodata` ends where the blob does.
fn shorter_rodata(bytes: &[u8]) -> Vec<u8> {
    use object::read::elf::{ElfFile64, FileHeader as _};
    use object::{LittleEndian as LE, Object as _, ObjectSection as _};
    let end = library(bytes).file_offset + library(bytes).blob.expect("a blob").length;
    let file = ElfFile64::<LE>::parse(bytes).expect("an ELF file");
    let rodata = file.section_by_name(".rodata").expect("read-only data");
    let (start, size) = rodata.file_range().expect("contents");
    assert_eq!(end, start + size - 1);
    let header = file.elf_header().e_shoff(LE) as usize + 64 * rodata.index().0;
    with(bytes, header + 32..header + 40, &(size - 1).to_le_bytes())
}

#[test]
fn a_tag_that_means_something_else_too_is_left_alone() {
    let old = bytes("tvm-0.27/dense-cpu-x86_64.so");
    let (program, start) = executable(&old);
    let tag = program
        .constants
        .iter()
        .position(|constant| constant.value == ConstantValue::String("tirx".to_owned()))
        .expect("a tag");
    // Another call takes the constant as its first argument.
    let call = program
        .functions
        .iter()
        .position(|function| function.name == "vm.builtin.alloc_storage")
        .expect("a builtin");
    let (at, _) = program
        .instructions(0..program.instruction_offsets.len() as u64)
        .find(|(_, instruction)| matches!(instruction, artcheck_inspect::vm::Instruction::Call { function, .. } if *function == call as i64))
        .expect("a call of it");
    let word = start + program.instruction_bytes(at).expect("bytes").start as usize + 5 * 8;
    let used = (2_i64 << 56) | tag as i64;
    let shared = with(&old, word..word + 8, &used.to_le_bytes());
    let error = retag::plan(&shared, &to(Tag::Tir)).expect_err("two meanings");
    assert!(
        matches!(error, PlanError::SharedConstant { constant, instruction, .. } if constant == tag && instruction == at),
        "{error}"
    );
}

#[test]
fn files_without_a_tag_say_why() {
    let error = |name: &str| {
        retag::plan(&bytes(name), &to(Tag::Tir))
            .expect_err("no tag")
            .to_string()
    };
    assert!(
        error("tvm-0.27/embedding-cpu-x86_64.so")
            .contains("never calls vm.builtin.paged_attention_kv_cache_create")
    );
    assert!(
        error("synthetic/dense-ext-0.26-flashinfer-tag-cpu-x86_64.so").contains("another backend")
    );
    assert!(
        error("synthetic/empty.so").contains("found empty file"),
        "{}",
        error("synthetic/empty.so")
    );
    assert!(error("synthetic/git-lfs-pointer.so").contains("found Git LFS pointer"));
    assert!(error("synthetic/extcall-0.27-devc.o").contains("never calls"));
}

#[test]
fn a_runtime_that_accepts_neither_tag_is_told() {
    let old = bytes("tvm-0.27/dense-cpu-x86_64.so");
    let mut runtime = release("tvm-0.27");
    for site in runtime
        .attention_tags
        .value
        .as_mut()
        .expect("known tags")
        .values_mut()
    {
        site.retain(|tag, _| tag == "flashinfer");
    }
    let options = RetagOptions {
        runtime: Some(&runtime),
        ..to(Tag::Tir)
    };
    assert!(matches!(
        retag::plan(&old, &options),
        Err(PlanError::NeitherTag { .. })
    ));
    let error = convert::plan(&old, &runtime, &partial()).expect_err("neither tag");
    assert!(matches!(error, PlanError::NeitherTag { .. }));
    assert!(
        error.to_string().contains("accepted: flashinfer"),
        "{error}"
    );
    let newest = release("tvm-0.27");
    let options = RetagOptions {
        runtime: Some(&newest),
        ..to(Tag::Tir)
    };
    let error = retag::plan(&old, &options).expect_err("0.27 takes tirx");
    assert!(matches!(error, PlanError::TagNotAccepted { .. }), "{error}");
}

#[test]
fn a_config_of_six_becomes_one_of_five() {
    for (name, runtime) in [
        ("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.26"),
        ("tvm-0.27/dense-cpu-x86_64.so", "tvm-0.25"),
        ("tvm-0.27/hybrid-cpu-x86_64.so", "tvm-0.25"),
        ("tvm-0.27/dense-metal-macos-arm64.dylib", "tvm-0.26"),
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release(runtime), &partial()).expect("a plan");
        let new = carried_out(&old, &plan);
        let changes = &plan.libraries[0].changes;
        assert!(
            matches!(changes[..], [Change::CacheConfig { .. }]),
            "{name}: {changes:?}"
        );
        let configs: Vec<_> = kv_caches(&executable(&new).0)
            .into_iter()
            .flat_map(|cache| cache.config)
            .collect();
        assert!(
            configs
                .iter()
                .all(|config| config.declared == Some(5) && config.elements == Some(5)),
            "{configs:?}"
        );
        let signature = if name.ends_with(".dylib") {
            plan.edits.len() - 2
        } else {
            0
        };
        assert_eq!(
            plan.edits.len() - signature,
            2,
            "two words: {:?}",
            plan.edits
        );
        let again = convert::plan(&new, &release(runtime), &partial()).expect("a plan");
        assert!(again.is_empty());
    }
}

#[test]
fn a_layer_that_slides_on_its_own_keeps_its_sixth_element() {
    let old = bytes("tvm-0.27/dense-cpu-x86_64.so");
    let (program, start) = executable(&old);
    let kinds = kv_caches(&program)[0]
        .attention_kinds
        .clone()
        .expect("a constant");
    let at = start + program.constants[kinds.constant].range.start as usize + 4 + 8 + 8;
    let sliding = with(&old, at..at + 8, &3_i64.to_le_bytes());
    let error = convert::plan(&sliding, &release("tvm-0.26"), &ConvertOptions::default())
        .expect_err("a sliding layer");
    let text = error.to_string();
    assert!(matches!(error, PlanError::Refused(_)));
    assert!(
        text.contains("AC105") && text.contains("layer 1 has a sliding window of its own"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_made_right_in_place_is_refused_with_the_remedy() {
    let old = bytes("tvm-0.25/dense-ext-cpu-x86_64.so");
    let error = convert::plan(&old, &release("tvm-0.27"), &ConvertOptions::default())
        .expect_err("another slot");
    let text = error.to_string();
    assert!(text.contains("AC202") && text.contains("shim"), "{text}");
    let fits = convert::plan(&old, &release("tvm-0.25"), &ConvertOptions::default())
        .expect("its own runtime");
    assert!(fits.is_empty());
    assert_eq!(
        fits.summary,
        ["nothing to change: no known mismatch with tvm-0.25"]
    );
}

#[test]
fn metal_payloads_change_their_order_and_back() {
    let order = |bytes: &[u8]| {
        let blob = library(bytes).blob.expect("a blob");
        blob.modules
            .iter()
            .find_map(|module| match &module.payload {
                Payload::Device(device) => Some((device.order, device.kernels.clone())),
                _ => None,
            })
            .expect("a device payload")
    };
    for name in [
        "tvm-0.26/embedding-metal-linux-x86_64.so",
        "tvm-0.26/dense-metal-macos-arm64.dylib",
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release("tvm-0.23"), &partial()).expect("a plan");
        let older = carried_out(&old, &plan);
        assert_eq!(
            order(&older),
            (PayloadOrder::Before24, order(&old).1),
            "{name}"
        );
        // The version string needs 13 bytes: the scopes give 8, a text the rest.
        let back = convert::plan(&older, &release("tvm-0.26"), &partial()).expect("a plan");
        assert_eq!(order(&carried_out(&older, &back)), order(&old), "{name}");
    }
    let old = bytes("synthetic/embedding-0.26-old-metal-order-metal-linux-x86_64.so");
    let plan = convert::plan(&old, &release("tvm-0.26"), &partial()).expect("a plan");
    let new = carried_out(&old, &plan);
    // TVM 0.26 wrote the same payload in its own order.
    let wrote = library(&bytes("tvm-0.26/embedding-metal-linux-x86_64.so"))
        .blob
        .expect("a blob");
    let made = library(&new).blob.expect("a blob");
    assert_eq!(made.length, wrote.length);
    assert_eq!(order(&new).0, PayloadOrder::Since24);
}

#[test]
fn kernels_lose_and_regain_their_extra_tags() {
    let forms = |bytes: &[u8]| {
        let blob = library(bytes).blob.expect("a blob");
        let device = blob
            .modules
            .iter()
            .find_map(|module| match &module.payload {
                Payload::Device(device) => Some(device.function_info),
                _ => None,
            });
        device.expect("a device payload")
    };
    for name in [
        "tvm-0.27/embedding-opencl-x86_64.so",
        "tvm-0.26/embedding-cuda-x86_64.so",
        "tvm-0.26/embedding-metal-linux-x86_64.so",
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &release("tvm-0.20"), &partial())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let plain = carried_out(&old, &plan);
        assert_ne!(forms(&plain), forms(&old), "{name}");
        let back = convert::plan(&plain, &release("tvm-0.26"), &partial()).expect("a plan");
        assert_eq!(forms(&carried_out(&plain, &back)), forms(&old), "{name}");
    }
}

/// One member in an archive.
mod packed {
    use super::*;

    pub fn tar_gz(member: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in [
            ("._lib0.o", &[0, 5, 0x16, 7, 0, 2, 0, 0][..]),
            ("lib0.o", member),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, name, content)
                .expect("a member");
        }
        let tar = tar.into_inner().expect("an archive");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&tar).expect("memory");
        gzip.finish().expect("memory")
    }

    pub fn ar(member: &[u8]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, content) in [("readme.txt/", &b"odd"[..]), ("lib0.o/", member)] {
            out.extend(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    644,
                    content.len()
                )
                .bytes(),
            );
            out.extend(content);
            out.resize(out.len().next_multiple_of(2), b'\n');
        }
        out
    }
}

#[test]
fn members_of_archives_change_where_they_lie() {
    let object = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let ar = packed::ar(&object);
    let plan = retag::plan(&ar, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&ar, &plan);
    assert_eq!(new.len(), ar.len());
    assert_eq!(plan.libraries[0].member, "lib0.o");

    let packed = packed::tar_gz(&object);
    let plan = retag::plan(&packed, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&packed, &plan);
    let unpack = |bytes: &[u8]| {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut out)
            .expect("gzip");
        out
    };
    assert_eq!(unpack(&new).len(), unpack(&packed).len());
    let inner = retag::plan(&object, &to(Tag::Tir))
        .expect("a plan")
        .apply_to(&object)
        .expect("fits");
    assert!(
        unpack(&new)
            .windows(inner.len())
            .any(|window| window == inner),
        "the member is the retagged object"
    );
    assert!(plan.notes.iter().any(|note| note.contains("packed again")));
}

#[test]
fn both_slices_of_a_universal_file_change_and_are_signed_again() {
    let thin = bytes("tvm-0.26/dense-metal-macos-arm64.dylib");
    let fat = universal(&[&thin, &bytes("tvm-0.26/hybrid-metal-macos-arm64.dylib")]);
    let plan = retag::plan(&fat, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&fat, &plan);
    assert_eq!(plan.libraries.len(), 2);
    let slice = &new[0x4000..0x4000 + thin.len()];
    let alone = retag::plan(&thin, &to(Tag::Tir))
        .expect("a plan")
        .apply_to(&thin)
        .expect("fits");
    assert_eq!(slice, alone, "a slice is what the thin file becomes");
}

fn universal(slices: &[&[u8]]) -> Vec<u8> {
    const ALIGN: usize = 0x4000;
    let mut out = vec![0xca, 0xfe, 0xba, 0xbe];
    out.extend((slices.len() as u32).to_be_bytes());
    let mut at = ALIGN;
    for (index, slice) in slices.iter().enumerate() {
        // Two slices of one architecture must differ in their subtype.
        for word in [0x0100_000c, index as u32, at as u32, slice.len() as u32, 14] {
            out.extend(word.to_be_bytes());
        }
        at = (at + slice.len()).next_multiple_of(ALIGN);
    }
    for slice in slices {
        out.resize(out.len().next_multiple_of(ALIGN), 0);
        out.extend_from_slice(slice);
    }
    out
}

#[test]
fn page_hashes_are_renewed_alone() {
    let name = "tvm-0.26/dense-metal-macos-arm64.dylib";
    let old = bytes(name);
    let plan = sign::plan(&old, Resign::Keep).expect("a signed file");
    assert!(plan.is_empty(), "the linker's hashes match");
    let at = library(&old).file_offset as usize + 3000;
    let mut broken = old.clone();
    broken[at] ^= 1;
    let plan = sign::plan(&broken, Resign::Keep).expect("a signed file");
    assert_eq!(plan.edits.len(), 1, "one page, one hash");
    let renewed = plan.apply_to(&broken).expect("fits");
    assert!(
        sign::plan(&renewed, Resign::Keep)
            .expect("signed")
            .is_empty()
    );
}

#[test]
fn a_team_signature_is_replaced_only_when_asked() {
    let old = as_if_signed_by_a_team(&bytes("tvm-0.26/dense-metal-macos-arm64.dylib"));
    let error = retag::plan(&old, &to(Tag::Tir)).expect_err("a team's signature");
    assert!(error.to_string().contains("team ABCDE12345"), "{error}");
    let options = RetagOptions {
        resign: Resign::AdHoc,
        ..to(Tag::Tir)
    };
    let plan = retag::plan(&old, &options).expect("asked for");
    let new = carried_out(&old, &plan);
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("team ABCDE12345") && note.contains("lost")),
        "{:?}",
        plan.notes
    );
    let parsed = container::parse(&new).expect("a binary");
    assert_eq!(parsed[0].binary.signature, container::Signature::AdHoc);
}

/// The ad-hoc directory without its flag, with a team. Larger pages take fewer
/// hashes, which makes room for the team's name.
fn as_if_signed_by_a_team(bytes: &[u8]) -> Vec<u8> {
    const TEAM: &[u8] = b"ABCDE12345\0";
    let parsed = container::parse(bytes).expect("a binary");
    assert_eq!(parsed[0].binary.signature, container::Signature::AdHoc);
    let start = bytes
        .windows(4)
        .rposition(|window| window == [0xfa, 0xde, 0x0c, 0xc0])
        .expect("a signature");
    let mut out = bytes.to_vec();
    let directory = start + word(bytes, start + 16);
    let hashes = word(bytes, directory + 16);
    let put = |out: &mut Vec<u8>, at: usize, value: usize| {
        out[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes())
    };
    let flags = word(bytes, directory + 12);
    let limit = word(bytes, directory + 32);
    put(&mut out, directory + 12, flags & !2);
    put(&mut out, directory + 16, hashes + TEAM.len());
    put(&mut out, directory + 24, 0);
    put(&mut out, directory + 28, limit.div_ceil(1 << 15));
    put(&mut out, directory + 48, hashes);
    out[directory + 39] = 15;
    let at = directory + hashes;
    out[at..at + TEAM.len()].copy_from_slice(TEAM);
    out
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Data segments cut at runs of zeros, as wasm-opt does it.
#[test]
fn a_blob_in_many_data_segments_moves_in_memory() {
    let source = library(&bytes("tvm-0.26/dense-cpu-x86_64.so"));
    let file = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let length = source.blob.expect("a blob").length as usize;
    let blob = &file[source.file_offset as usize..source.file_offset as usize + length];
    for (before, after) in [
        (&b"before\0"[..], &b"behind the blob"[..]),
        (b"", b""),
        (b"x", &[0; 64]),
    ] {
        let old = wasm(&[before, blob, after].concat());
        let there = retag::plan(&old, &to(Tag::Tir)).expect("a plan");
        let tir = carried_out(&old, &there);
        assert_eq!(tir.len(), old.len());
        let memory = &container::parse(&tir).expect("wasm")[0].regions;
        let at = |address: usize, length: usize| -> Vec<u8> {
            let region = memory.iter().find(|region| {
                (region.address..region.address + region.data.len() as u64)
                    .contains(&(address as u64))
            });
            let region = region.expect("memory there");
            let start = address - region.address as usize;
            region.data[start..start + length].to_vec()
        };
        assert_eq!(at(1024, before.len().max(1))[..before.len()], *before);
        if after.first() == Some(&b'b') {
            assert_eq!(
                at(1024 + before.len() + length, after.len()),
                after,
                "what follows stays where it was"
            );
        }
        let options = RetagOptions {
            rooms: there.room,
            ..to(Tag::Tirx)
        };
        let back = retag::plan(&tir, &options).expect("a plan");
        assert_eq!(carried_out(&tir, &back), old);
        let without = retag::plan(&tir, &to(Tag::Tirx)).expect("a plan without the receipt");
        let grown = carried_out(&tir, &without);
        // The empty scopes are zeros that the module does not store.
        assert!(
            without.libraries[0]
                .changes
                .iter()
                .any(|change| matches!(change, Change::ContextString { cut: 1, .. }))
        );
        assert_eq!(
            library(&grown).blob.expect("a blob").layout,
            BlobLayout::TreeFirst
        );
    }
}

fn wasm(memory: &[u8]) -> Vec<u8> {
    const BASE: usize = 1024;
    /// Shorter runs of zeros stay inside a segment.
    const RUN: usize = 9;
    let mut segments: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut at = 0;
    while at < memory.len() {
        let zeros = memory[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros >= RUN || (zeros > 0 && segments.is_empty()) {
            at += zeros;
            segments.push((BASE + at, Vec::new()));
            continue;
        }
        if segments.is_empty() {
            segments.push((BASE, Vec::new()));
        }
        let end = (at + zeros.max(1)).min(memory.len());
        segments.last_mut().expect("one").1.extend(&memory[at..end]);
        at = end;
    }
    segments.retain(|(_, data)| !data.is_empty());
    assert!(segments.len() > 50, "{}", segments.len());
    let mut section = leb(segments.len());
    for (address, data) in &segments {
        section.extend([0, 0x41]);
        section.extend(signed_leb(*address));
        section.push(0x0b);
        section.extend(leb(data.len()));
        section.extend(data);
    }
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    out.extend([5, 3, 1, 0, 16]); // one memory of 16 pages
    out.push(11);
    out.extend(leb(section.len()));
    out.extend(section);
    out
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let more = value >= 0x80;
        out.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
        value >>= 7;
        if !more {
            return out;
        }
    }
}

fn signed_leb(value: usize) -> Vec<u8> {
    let mut out = leb(value);
    if let Some(last) = out.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        out.push(0);
    }
    out
}

#[test]
fn truncated_and_changed_files_never_panic() {
    let whole = bytes("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let start = library(&whole).file_offset as usize;
    for step in 0..400 {
        let mut broken = whole.clone();
        let at = start + step * 97;
        if at < broken.len() {
            broken[at] = broken[at].wrapping_add((step % 255) as u8 + 1);
        }
        if let Ok(plan) = retag::plan(&broken, &to(Tag::Tirx)) {
            carried_out(&broken, &plan);
        }
        broken.truncate(whole.len() * step / 400);
        assert!(retag::plan(&broken, &to(Tag::Tirx)).is_err() || step == 0 || broken.len() > start);
    }
    let dylib = bytes("tvm-0.26/dense-metal-macos-arm64.dylib");
    for step in 0..200 {
        let mut broken = dylib.clone();
        let at = dylib.len() - 1 - step * 7;
        broken[at] ^= 0x5a;
        broken[32 + step * 7] ^= 0xa5;
        let _ = retag::plan(&broken, &to(Tag::Tir));
    }
    assert!(artifact("synthetic").is_dir());
}
