//! Lists in messages.

/// Most items of a list that are written out.
const SHOWN: usize = 10;

/// Items with commas between them: the first ten, and how many more there are.
pub(super) fn listing(items: impl IntoIterator<Item = String>) -> String {
    let mut items = items.into_iter();
    let mut shown: Vec<String> = items.by_ref().take(SHOWN).collect();
    match items.count() {
        0 if shown.is_empty() => "none".into(),
        0 => shown.join(", "),
        more => {
            shown.push(format!("{more} more"));
            shown.join(", ")
        }
    }
}
