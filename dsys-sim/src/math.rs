//! Random draws and the two functions of analysis they need, made of additions and multiplications only: the
//! platform's `exp` and `ln` differ in the last bit between platforms, and then so would the traces.

/// The simulator's own random source, apart from the machines': SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(mix(seed ^ 0x6a09_e667_f3bc_c908))
    }

    #[inline]
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..bound` but for a bias below `bound / 2^64`; 0 if `bound` is 0.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `[0, 1)`.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with this probability. Draws nothing when the answer is certain, so that a fault that is off costs nothing.
    #[inline]
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Standard normal: the sum of twelve uniforms (Irwin-Hall), cut off at six deviations.
    pub(crate) fn normal(&mut self) -> f64 {
        let words = [self.next_u64(), self.next_u64(), self.next_u64()];
        let lanes = words.iter().flat_map(|word| (0..4).map(move |lane| (word >> (16 * lane)) & 0xffff));
        lanes.map(|lane| (lane as f64 + 0.5) / 65_536.0).sum::<f64>() - 6.0
    }

    /// Exponential of mean 1: the gap between the events of a Poisson process of rate 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }
}

/// The finalizer of SplitMix64: a bijection that spreads every bit over all.
#[inline]
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// e to the x, relative error below 1e-12 for |x| < 700.
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let twos = (x * std::f64::consts::LOG2_E).round();
    let rest = x - twos * std::f64::consts::LN_2;
    // |rest| < 0.35: fourteen terms of the series are exact to the last few bits.
    let mut sum = 1.0;
    for term in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    sum * f64::from_bits(((1023 + twos as i64) as u64) << 52)
}

/// The natural logarithm of a positive normal number, absolute error below 1e-12.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let twos = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    // ln m = 2 artanh((m - 1) / (m + 1)); for m in [1, 2) the argument is below 1/3.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..=14).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    twos as f64 * std::f64::consts::LN_2 + 2.0 * ratio * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_agree_with_the_platform() {
        for step in 1..2_000 {
            let x = f64::from(step) * 0.017 - 12.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12, "exp {x}");
            let positive = f64::from(step) * 0.37;
            assert!((ln(positive) - positive.ln()).abs() < 1e-12, "ln {positive}");
        }
    }

    #[test]
    fn draws_have_the_moments_they_claim() {
        let mut dice = Dice::new(3);
        let count = 100_000;
        let normals: Vec<f64> = (0..count).map(|_| dice.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(count);
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(count);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let gaps = (0..count).map(|_| dice.exponential()).sum::<f64>() / f64::from(count);
        assert!((gaps - 1.0).abs() < 0.02, "{gaps}");
    }
}
