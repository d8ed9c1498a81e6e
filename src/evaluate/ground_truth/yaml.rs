//! YAML as settings files have it: mappings, sequences and scalars, of bearable size and depth.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deepest nesting and most nodes: more than any settings have.
const MAX_DEPTH: usize = 16;
const MAX_NODES: usize = 200_000;

/// A value of a YAML file. Scalars stay text: `007`, `1.0` and `no` are names of classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Mapping(entries) = self else { return None };
        entries.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// The first document of a text.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    let mut open: Vec<(Node, Option<String>)> = Vec::new();
    let mut nodes = 0;
    let mut parser = Parser::new_from_str(text);
    loop {
        let Some(event) = parser.next_event() else { return Ok(Node::Null) };
        let (event, span) = event.map_err(|problem| format!("not YAML: {problem}"))?;
        let line = span.start.line();
        nodes += 1;
        if nodes > MAX_NODES || open.len() > MAX_DEPTH {
            return Err(format!("line {line}: longer or deeper than settings are"));
        }
        let done = match event {
            Event::Alias(_) => return Err(format!("line {line}: an alias (*), expected the value itself")),
            Event::SequenceStart(..) => {
                open.push((Node::Sequence(Vec::new()), None));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((Node::Mapping(Vec::new()), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            Event::Scalar(text, style, ..) => match &*text {
                "" | "~" | "null" | "Null" | "NULL" if style == ScalarStyle::Plain => Node::Null,
                text => Node::Scalar(text.to_owned()),
            },
            Event::DocumentEnd => return Ok(Node::Null),
            _ => continue,
        };
        match open.last_mut() {
            None => return Ok(done),
            Some((Node::Sequence(list), _)) => list.push(done),
            Some((Node::Mapping(entries), key)) => match (key.take(), done) {
                (Some(key), value) => entries.push((key, value)),
                (None, Node::Scalar(text)) => *key = Some(text),
                (None, Node::Null) => *key = Some(String::new()),
                (None, _) => return Err(format!("line {line}: a key that is no text")),
            },
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_as_they_are_written() {
        let node = parse("# set\nnames:\n  0: no\n  1: '~'\n  '2': 1.0\ntest: # none\nval: [a, \"b c\"]\n").unwrap();
        let scalar = |text: &str| Node::Scalar(text.to_owned());
        let names = Node::Mapping(
            [("0", "no"), ("1", "~"), ("2", "1.0")].map(|(key, name)| (key.to_owned(), scalar(name))).to_vec(),
        );
        assert_eq!(node.get("names"), Some(&names));
        assert_eq!(node.get("test"), Some(&Node::Null));
        assert_eq!(node.get("val"), Some(&Node::Sequence(vec![scalar("a"), scalar("b c")])));
        assert_eq!(node.get("train"), None);
        assert_eq!(parse("").unwrap(), Node::Null);
        assert_eq!(parse("---\na: b\n---\nc: d").unwrap().get("a").and_then(Node::as_str), Some("b"));
    }

    #[test]
    fn depth_size_and_aliases_are_bounded() {
        for text in [
            "[".repeat(100_000),
            "- ".repeat(100_000),
            "a: &x [1]\nb: [*x, *x]".to_owned(),
            "{".repeat(500),
            "- a\n".repeat(300_000),
            "? [a]\n: b".to_owned(),
            "a: [".to_owned(),
            "a: 'b".to_owned(),
        ] {
            assert!(parse(&text).is_err(), "{}", &text[..20.min(text.len())]);
        }
    }
}
