//! Loops over machine code, compiled for the widest registers at hand.
//!
//! Programs for x86-64 may only count on 16-byte registers; nearly every
//! processor has 32-byte ones.

/// Runs `work`, with AVX2 where the processor has it. Only what is inlined
/// into `work` gains, so closure and callees say `#[inline(always)]`.
pub fn run<Result>(work: impl FnOnce() -> Result) -> Result {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return with_avx2(work);
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn with_avx2<Result>(work: impl FnOnce() -> Result) -> Result {
    #[target_feature(enable = "avx2")]
    fn compiled_for_avx2<Result>(work: impl FnOnce() -> Result) -> Result {
        work()
    }
    // SAFETY: the only caller has just asked the processor for AVX2.
    unsafe { compiled_for_avx2(work) }
}
