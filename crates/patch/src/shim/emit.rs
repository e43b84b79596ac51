//! Puts the shim's source together from the templates of the chosen parts.

use super::part::{ShimPart, ShimPlan};
use super::runtime::Runtime;
use super::target::ShimTarget;

const ABI: &str = include_str!("templates/abi.cc");
const KV_CACHE: &str = include_str!("templates/kv_cache.cc");
const CONTEXT_SLOTS: &str = include_str!("templates/context_slots.cc");
const METAL_PAYLOAD: &str = include_str!("templates/metal_payload.cc");
const INSTALL: &str = include_str!("templates/install.cc");

/// The source of the parts that use only the C ABI; none if none is chosen.
pub fn portable_source(plan: &ShimPlan, runtime: &Runtime, target: ShimTarget) -> Option<String> {
    let parts: Vec<ShimPart> = plan.parts().filter(|part| part.is_portable()).collect();
    if parts.is_empty() {
        return None;
    }
    let mut text = heading(plan, &parts);
    let has = |part| if plan.has(part) { 1 } else { 0 };
    let suffix = target.library_suffix();
    let mut names = vec![format!("\"{}\"", runtime.runtime.name)];
    for usual in ["libtvm_runtime", "libtvm"] {
        let name = format!("\"{usual}.{suffix}\"");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    text.push_str(&format!(
        "#define SHIM_ATTENTION_TAG {}\n#define SHIM_CACHE_CONFIG {}\n\
         #define SHIM_RUNTIME_NAMES {{{}}}\n\n",
        has(ShimPart::AttentionTag),
        has(ShimPart::CacheConfig),
        names.join(", ")
    ));
    text.push_str(ABI);
    let mut installs = Vec::new();
    let mut states = Vec::new();
    if plan.has(ShimPart::AttentionTag) || plan.has(ShimPart::CacheConfig) {
        push(&mut text, KV_CACHE);
        installs.push("InstallKvCache();");
        if plan.has(ShimPart::AttentionTag) {
            states.push("&g_tag");
        }
        if plan.has(ShimPart::CacheConfig) {
            states.push("&g_config");
        }
    }
    if plan.has(ShimPart::ContextSlots) {
        push(&mut text, CONTEXT_SLOTS);
        installs.push("InstallContextSlots();");
        states.push("&g_slots");
    }
    if plan.has(ShimPart::MetalPayload) {
        push(&mut text, METAL_PAYLOAD);
        installs.push("InstallMetalPayload();");
        states.push("&g_metal");
    }
    let install = INSTALL
        .replace("@INSTALL@", &installs.join("\n  "))
        .replace("@PARTS@", &states.join(", "));
    push(&mut text, &install);
    for part in parts {
        let mark = format!("SHIM_EXPORT int {}(void) {{ return 1; }}\n", part.mark());
        push(&mut text, &mark);
    }
    Some(text)
}

fn push(text: &mut String, block: &str) {
    text.push('\n');
    text.push_str(block);
}

/// Adds a sentence as comment lines that fit a page.
fn comment(text: &mut String, sentence: &str) {
    let mut width = usize::MAX;
    for word in sentence.split_whitespace() {
        if width.saturating_add(word.len()) > 90 {
            if width != usize::MAX {
                text.push('\n');
            }
            text.push_str("//");
            width = 2;
        }
        text.push(' ');
        text.push_str(word);
        width = width.saturating_add(word.len()).saturating_add(1);
    }
    text.push('\n');
}

fn heading(plan: &ShimPlan, parts: &[ShimPart]) -> String {
    let mut text = String::from(
        "// A shim for a TVM runtime that is not rebuilt, written by `artcheck patch shim`.\n//\n\
         // Parts in this file:\n",
    );
    for part in parts {
        comment(&mut text, &format!("- {}: {}", part.name(), part.summary()));
    }
    for (part, reason) in plan.reasons() {
        comment(&mut text, &format!("{part} was chosen because {reason}"));
    }
    text.push_str(
        "//\n// Loading the library installs the parts. Each tells what it did through the global\n\
         // function artcheck.shim.<part>, and on stderr if ARTCHECK_SHIM_VERBOSE is set.\n\n",
    );
    text
}
