//! Base activations in double precision.

use crate::head::Activation;

/// Factors of SELU, as Klambauer and others give them.
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

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
            Self::LeakyRelu { slope } if x < 0.0 => f64::from(slope) * x,
            Self::Elu if x < 0.0 => x.exp_m1(),
            Self::Selu if x < 0.0 => SELU_SCALE * SELU_ALPHA * x.exp_m1(),
            Self::Selu => SELU_SCALE * x,
            Self::LeakyRelu { .. } | Self::Elu => x,
            Self::Softplus => softplus(x),
            Self::HardSwish if x <= -3.0 => 0.0,
            Self::HardSwish => x * (x + 3.0).min(6.0) / 6.0,
            Self::Mish if x == f64::NEG_INFINITY => 0.0,
            Self::Mish => x * softplus(x).tanh(),
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
            (Activation::LeakyRelu { slope: 0.25 }, -3.0, -0.75),
            (Activation::LeakyRelu { slope: 0.25 }, 3.0, 3.0),
            (Activation::Elu, -1.0, -0.632_120_558_828_557_7),
            (Activation::Elu, 2.0, 2.0),
            (Activation::Selu, -1.0, -1.111_330_737_812_562_5),
            (Activation::Selu, 1.0, 1.050_700_987_355_480_5),
            (Activation::Softplus, 1.0, 1.313_261_687_518_222_8),
            (Activation::Softplus, -30.0, 9.357_622_968_839_737e-14),
            (Activation::HardSwish, -1.0, -1.0 / 3.0),
            (Activation::HardSwish, -3.5, 0.0),
            (Activation::HardSwish, 4.0, 4.0),
            (Activation::Mish, 1.0, 0.865_098_388_267_310_3),
            (Activation::Mish, -2.0, -0.252_501_482_695_708_9),
        ];
        for (activation, x, expected) in cases {
            let found = activation.value(x);
            assert!((found - expected).abs() < 1e-14, "{activation:?}({x}) = {found}, expected {expected}");
        }
    }

    #[test]
    fn limits_are_finite_or_infinite_never_nan() {
        for activation in [
            Activation::Silu,
            Activation::Gelu,
            Activation::Tanh,
            Activation::Relu,
            Activation::Sigmoid,
            Activation::LeakyRelu { slope: 0.01 },
            Activation::Elu,
            Activation::Selu,
            Activation::Softplus,
            Activation::HardSwish,
            Activation::Mish,
        ] {
            for x in [f64::NEG_INFINITY, -1e308, 1e308, f64::INFINITY] {
                assert!(!activation.value(x).is_nan(), "{activation:?}({x})");
            }
        }
    }
}
