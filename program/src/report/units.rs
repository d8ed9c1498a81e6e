//! Numbers as people read them.

/// Three or four significant digits without an exponent: `0.0123`, `4.56`, `78.9`, `1,235`.
pub fn significant(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:.2e}");
    }
    let places = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => (2 - size.log10().floor() as i32).clamp(0, 9) as usize,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let digits = whole.trim_start_matches('-');
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    rest.map_or_else(|| format!("{sign}{grouped}"), |rest| format!("{sign}{grouped}.{rest}"))
}

/// A value with a decimal prefix and its unit: `2.94 TB/s`.
pub fn quantity(value: f64, unit: &str) -> String {
    const PREFIXES: [(f64, &str); 8] =
        [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")];
    let (scale, prefix) = PREFIXES.into_iter().find(|(scale, _)| value.abs() >= *scale).unwrap_or(PREFIXES[4]);
    format!("{} {prefix}{unit}", significant(value / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_matter() {
        let cases = [
            (0.0, "0"),
            (0.012_34, "0.0123"),
            (0.5, "0.500"),
            (4.561, "4.56"),
            (78.91, "78.9"),
            (123.4, "123"),
            (71_001.0, "71,001"),
            (1_234_567.0, "1,234,567"),
            (-1500.0, "-1,500"),
            (2e16, "2.00e16"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn prefixes() {
        assert_eq!(quantity(2.94e12, "B/s"), "2.94 TB/s");
        assert_eq!(quantity(12_345.0, "B"), "12.3 kB");
        assert_eq!(quantity(0.0, "B"), "0 B");
        assert_eq!(quantity(38.5e-6, "s"), "38.5 us");
    }
}
