//! How much memory what is read of an artifact takes to the end of a scan, roughly.

use crate::artifact::Artifact;

/// Bytes that an artifact takes at least, with what is said of it.
pub(super) const ARTIFACT: usize = 8 << 10;
/// Bytes that a symbol takes, short names included.
pub(super) const SYMBOL: usize = 192;
/// Bytes that a model library takes with its verdicts, one per known release.
const LIBRARY: usize = 128 << 10;

/// Memory, roughly, that an artifact takes to the end of a scan.
pub(super) fn weight(artifact: &Artifact) -> usize {
    let symbols = artifact.binary.as_ref().map_or(0, |binary| {
        let symbols = binary.defined.len().saturating_add(binary.undefined.len());
        let wasm = binary
            .wasm_imports
            .len()
            .saturating_add(binary.wasm_exports.len());
        let segments = binary.segments.len();
        symbols
            .saturating_add(wasm)
            .saturating_add(segments)
            .saturating_mul(SYMBOL)
    });
    // Executables are kept; device code, which may be large, stays in the file.
    let libraries = artifact.libraries.iter().map(|library| {
        let executables = library.blob.iter().flat_map(|blob| blob.executables());
        let bytes = executables.fold(0u64, |sum, (_, executable)| {
            sum.saturating_add(executable.sections.code.end)
        });
        LIBRARY.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX))
    });
    libraries.fold(ARTIFACT.saturating_add(symbols), usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::artifact_of::facts;
    use super::*;
    use crate::place::Place;

    /// An archive may hold many libraries with much device code.
    #[test]
    fn device_code_weighs_nothing() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
        let mut facts = facts(
            &Place::file(corpus.join("tvm-0.26/hybrid-cuda-x86_64.so")),
            true,
        );
        let artifact = facts.artifacts.first_mut().expect("a library");
        let before = weight(artifact);
        assert!((LIBRARY..1 << 20).contains(&before), "{before}");
        for library in artifact.libraries.iter_mut() {
            let blob = library.blob.as_mut().expect("a blob that decodes");
            blob.length = 1 << 30;
            for module in &mut blob.modules {
                if !matches!(module.payload, crate::module::Payload::VmExecutable(_)) {
                    module.payload_length = 1 << 30;
                }
            }
        }
        assert_eq!(weight(artifact), before);
    }
}
