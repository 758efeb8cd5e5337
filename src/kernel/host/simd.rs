//! Code compiled several times, for what processors have, and chosen when it runs.

use super::math::fma;

/// Work that is worth compiling for each kind of processor. Everything it calls must be inlined into it.
pub(super) trait Job {
    /// `FMA`: whether the processor has fused multiply-add. `V`: its vectors, for what the compiler makes no vector
    /// code of by itself.
    fn run<const FMA: bool, V: Vector>(self);
}

/// Numbers in one register.
pub(super) trait Vector: Copy {
    /// How many.
    const LANES: usize;

    /// The same number everywhere.
    fn splat(number: f32) -> Self;

    /// The first numbers of a slice, which must have enough.
    fn load(numbers: &[f32]) -> Self;

    /// Writes the first numbers of a slice, which must have enough.
    fn store(self, numbers: &mut [f32]);

    /// `self + other`.
    fn add(self, other: Self) -> Self;

    /// `self * factor + summand`.
    fn mul_add(self, factor: Self, summand: Self) -> Self;

    /// Runs a job in a function of its own, compiled for the processors that have these vectors: there the compiler has
    /// all registers for it.
    ///
    /// # Safety
    ///
    /// The processor must have these vectors.
    unsafe fn run<J: Job>(job: J);
}

/// Runs a job in code for the widest vectors that this processor has.
pub(super) fn dispatch<J: Job>(job: J) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256, __m512};

        let has_avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if has_avx2 && has_avx512 {
            // SAFETY: the processor has these features, as just asked.
            return unsafe { __m512::run(job) };
        }
        if has_avx2 {
            // SAFETY: as above.
            return unsafe { __m256::run(job) };
        }
    }
    // SAFETY: an array is no register.
    unsafe { <[f32; 4]>::run(job) };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Job, Vector};
    use std::arch::x86_64::*;

    macro_rules! vector {
        ($vector:ident, $lanes:literal, $features:literal, $splat:ident, $add:ident, $mul_add:ident) => {
            // SAFETY, of all blocks: only code that was compiled for these features, and so chosen, has such a vector;
            // its bytes are those of an array.
            impl Vector for $vector {
                const LANES: usize = $lanes;

                #[inline(always)]
                fn splat(number: f32) -> Self {
                    unsafe { $splat(number) }
                }
                #[inline(always)]
                fn load(numbers: &[f32]) -> Self {
                    let numbers: &[f32; $lanes] = numbers.first_chunk().expect("a vector of them");
                    // (An intrinsic that reads from a pointer is checked in a debug build.)
                    unsafe { std::mem::transmute(*numbers) }
                }
                #[inline(always)]
                fn store(self, numbers: &mut [f32]) {
                    let numbers: &mut [f32; $lanes] =
                        numbers.first_chunk_mut().expect("room for a vector");
                    *numbers = unsafe { std::mem::transmute::<Self, [f32; $lanes]>(self) };
                }
                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                fn mul_add(self, factor: Self, summand: Self) -> Self {
                    unsafe { $mul_add(self, factor, summand) }
                }

                #[target_feature(enable = $features)]
                #[inline(never)]
                unsafe fn run<J: Job>(job: J) {
                    job.run::<true, Self>();
                }
            }
        };
    }

    vector!(
        __m512,
        16,
        "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c",
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    );
    vector!(
        __m256,
        8,
        "avx2,fma,f16c",
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps
    );
}

/// Whether every processor of the target has fused multiply-add.
const FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

/// What every processor has.
impl Vector for [f32; 4] {
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        [number; 4]
    }
    #[inline(always)]
    fn load(numbers: &[f32]) -> Self {
        *numbers.first_chunk().expect("a vector of them")
    }
    #[inline(always)]
    fn store(self, numbers: &mut [f32]) {
        *numbers.first_chunk_mut().expect("room for a vector") = self;
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self, other);
        [a + e, b + f, c + g, d + h]
    }
    #[inline(always)]
    fn mul_add(mut self, factor: Self, summand: Self) -> Self {
        for lane in 0..4 {
            self[lane] = fma::<FMA>(self[lane], factor[lane], summand[lane]);
        }
        self
    }

    #[inline(never)]
    unsafe fn run<J: Job>(job: J) {
        job.run::<FMA, Self>();
    }
}
