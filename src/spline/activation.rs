//! Base activations in double precision.

use crate::head::Activation;

impl Activation {
    /// The function's value at `x`. Infinite `x` gives the limit, NaN gives NaN.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Silu if x == f64::NEG_INFINITY => 0.0,
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Gelu if x == f64::NEG_INFINITY => 0.0,
            Self::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Tanh => x.tanh(),
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Identity => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by an arbitrary-precision calculator, 15 digits.
    #[test]
    fn known_values() {
        let cases = [
            (Activation::Silu, 1.0, 0.731_058_578_630_005),
            (Activation::Silu, -2.0, -0.238_405_844_044_235),
            (Activation::Gelu, 1.0, 0.841_344_746_068_543),
            (Activation::Gelu, -0.5, -0.154_268_769_362_993),
            (Activation::Tanh, 0.5, 0.462_117_157_260_01),
            (Activation::Relu, -3.0, 0.0),
            (Activation::Sigmoid, 0.25, 0.562_176_500_885_798),
            (Activation::Identity, -7.5, -7.5),
        ];
        for (activation, x, expected) in cases {
            let found = activation.value(x);
            assert!((found - expected).abs() < 1e-14, "{activation:?}({x}) = {found}, expected {expected}");
        }
    }

    #[test]
    fn limits_are_finite_or_infinite_never_nan() {
        for activation in [Activation::Silu, Activation::Gelu, Activation::Tanh, Activation::Relu, Activation::Sigmoid]
        {
            for x in [f64::NEG_INFINITY, -1e308, 1e308, f64::INFINITY] {
                assert!(!activation.value(x).is_nan(), "{activation:?}({x})");
            }
        }
    }
}
