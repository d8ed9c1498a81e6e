//! Which split of a set is read.

use super::notes::Notes;

/// Names that folders and lists of splits have.
pub(super) const USUAL: [&str; 10] =
    ["train", "val", "valid", "validation", "test", "trainval", "default", "all", "dev", "minival"];

/// The split that is meant, of those there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// This one.
    Take(String),
    /// There are none: all is meant.
    Whole,
    /// None of them; the text says which there are.
    None(String),
}

/// Chooses a split: the one that is wanted; without a wish `test`, or the only one there is.
pub(super) fn choose(wanted: Option<&str>, there: &[String], notes: &mut Notes) -> Choice {
    let wish = wanted.unwrap_or("test");
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    if let Some(found) = there.iter().find(|name| *name == wish).or_else(|| there.iter().find(|name| same(name, wish)))
    {
        return Choice::Take(found.clone());
    }
    let validation = |name: &str| ["val", "valid", "validation", "dev"].iter().any(|known| same(known, name));
    if validation(wish)
        && let Some(found) = there.iter().find(|name| validation(name))
    {
        notes.assume(format!("split {wish} is called {found}"));
        return Choice::Take(found.clone());
    }
    match (there, wanted) {
        ([], _) => Choice::Whole,
        ([only], None) => {
            notes.assume(format!("split {only}, the only one there is"));
            Choice::Take(only.clone())
        }
        _ => Choice::None(listed(there)),
    }
}

/// The first names and how many there are.
pub(super) fn listed(names: &[String]) -> String {
    const FIRST: usize = 10;
    let first: Vec<&str> = names.iter().take(FIRST).map(String::as_str).collect();
    let more = if names.len() > FIRST { format!(" and {} more", names.len() - FIRST) } else { String::new() };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_taken_where_there_is_no_doubt() {
        let choose = |wanted: Option<&str>, there: &[&str]| {
            let there: Vec<String> = there.iter().map(|&name| name.to_owned()).collect();
            super::choose(wanted, &there, &mut Notes::default())
        };
        let take = |name: &str| Choice::Take(name.to_owned());
        assert_eq!(choose(None, &["test", "train"]), take("test"));
        assert_eq!(choose(None, &["default"]), take("default"));
        assert_eq!(choose(None, &["train", "val"]), Choice::None("train, val".to_owned()));
        assert_eq!(choose(Some("val"), &["train", "valid"]), take("valid"));
        assert_eq!(choose(Some("val"), &["train"]), Choice::None("train".to_owned()));
        assert_eq!(choose(Some("Test"), &["test"]), take("test"));
        assert_eq!(choose(Some("val"), &[]), Choice::Whole);
    }
}
