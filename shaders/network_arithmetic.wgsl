// Functions of the arithmetic on elements; `T` is `f32` or `vec4<f32>`.

fn sigmoid(x: T) -> T {
    return T(1.0) / (T(1.0) + exp(-max(x, T(-87.0))));
}

// Abramowitz and Stegun 7.1.26, off by at most 1.5e-7.
fn error_function(x: T) -> T {
    let t = T(1.0) / (T(1.0) + T(0.3275911) * abs(x));
    let series = ((((T(1.061405429) * t - T(1.453152027)) * t) + T(1.421413741)) * t - T(0.284496736)) * t + T(0.254829592);
    let y = T(1.0) - series * t * exp(-min(x * x, T(80.0)));
    return select(y, -y, x < T(0.0));
}

// `pow` of WGSL knows no negative base.
fn power(a: T, b: T) -> T {
    let size = pow(abs(a), b);
    let odd = abs(b - T(2.0) * floor(b * T(0.5))) == T(1.0);
    return select(size, -size, (a < T(0.0)) & odd);
}
