//! Code compiled several times, for what processors have, and chosen when it runs.

/// Work that is worth compiling for each kind of processor. Everything it calls must be inlined into it.
pub(super) trait Job {
    /// `FMA`: whether the processor has fused multiply-add. `LANES`: the `f32` of a vector.
    fn run<const FMA: bool, const LANES: usize>(self);
}

/// Runs a job in code for the widest vectors that this processor has.
pub(super) fn dispatch<J: Job>(job: J) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn avx512<J: Job>(job: J) {
            job.run::<true, 16>();
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2<J: Job>(job: J) {
            job.run::<true, 8>();
        }
        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if has_avx2 && has_avx512 {
            // SAFETY: the processor has these features, as just asked.
            return unsafe { avx512(job) };
        }
        if has_avx2 {
            // SAFETY: as above.
            return unsafe { avx2(job) };
        }
    }
    job.run::<{ cfg!(any(target_feature = "fma", target_arch = "aarch64")) }, 4>();
}
