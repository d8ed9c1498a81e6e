//! Names that were most likely meant.

/// The name of `known` that is most like `name`; `None` where there is none.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().max_by(|a, b| likeness(name, a).total_cmp(&likeness(name, b)))
}

/// From 0 to 1, 1 for the same letters whatever their case (Jaro and Winkler, 1990).
pub(crate) fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_understood() {
        let keys = ["mean", "scale", "channel_order", "padding", "input", "layout"];
        for (slip, meant) in
            [("Padding", "padding"), ("layuot", "layout"), ("channels", "channel_order"), ("sclae", "scale")]
        {
            assert_eq!(nearest(slip, keys), Some(meant), "{slip}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
