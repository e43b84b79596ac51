//! Tags: where they are found, where the byte to grow comes from, what is refused.

use super::*;

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
    let old = bytes("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let plan = retag::plan(&old, &to(Tag::Tirx)).expect("a plan");
    let new = carried_out(&old, &plan);
    let changes = &plan.libraries[0].changes;
    assert!(
        changes.contains(&Change::HeaderV1 { module: 0 }),
        "{changes:?}"
    );
    assert_eq!(executable(&new).0.magic, Magic::V1);
    assert!(listing(&old).replace("String(\"tir\")", "String(\"tirx\")") == listing(&new));
}

#[test]
fn growing_for_a_runtime_without_v1_cuts_a_quoted_text() {
    let old = bytes("synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    let mut runtime = release("tvm-0.26");
    runtime.vm_magics.value = Some(BTreeSet::from([artcheck_inspect::vm::Magic::V2]));
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
    runtime.vm_magics.value = Some(BTreeSet::from([artcheck_inspect::vm::Magic::V2]));
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
fn an_executable_without_a_container_is_refused() {
    let bare = bytes("synthetic/dense-ext-0.26.bin");
    let error = retag::plan(&bare, &to(Tag::Tir)).expect_err("no container");
    assert!(
        error.to_string().contains("outside any container"),
        "{error}"
    );
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
    // Functions instead of tuples: there are no tags to accept.
    let before_tags = release("tvm-0.19");
    for tag in [Tag::Tir, Tag::Tirx] {
        let options = RetagOptions {
            runtime: Some(&before_tags),
            ..to(tag)
        };
        let error = retag::plan(&old, &options).expect_err("no tags");
        assert!(matches!(error, PlanError::NeitherTag { .. }), "{error}");
        assert!(error.to_string().contains("accepted: none"), "{error}");
    }
    let error = convert::plan(&old, &before_tags, &ConvertOptions::default());
    let error = error.expect_err("other arguments").to_string();
    assert!(error.contains("AC104"), "{error}");
    let newest = release("tvm-0.27");
    let options = RetagOptions {
        runtime: Some(&newest),
        ..to(Tag::Tir)
    };
    let error = retag::plan(&old, &options).expect_err("0.27 takes tirx");
    assert!(matches!(error, PlanError::TagNotAccepted { .. }), "{error}");
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
