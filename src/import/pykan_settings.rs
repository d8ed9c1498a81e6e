//! The settings that pykan writes beside a state dict, as `model_config.yml` beside `model_state`.

use saphyr::{LoadableYamlNode, Yaml};

use super::{BaseFunction, ImportError};
use crate::container::{Quoted, Sentence};

/// Longest settings that are read, in bytes.
#[cfg(feature = "files")]
pub(super) const MAX_SETTINGS: u64 = 4 << 20;
/// Longest line, deepest brackets and indentation: more than any settings have, and little enough for any stack.
const MAX_LINE: usize = 1024;
const MAX_BRACKETS: usize = 8;
const MAX_INDENT: usize = 64;

/// What of the settings bears on the results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// The function on the base path by the library's name.
    pub(super) base_function: Option<String>,
    /// Nodes and multiplication nodes of each layer of nodes, the inputs' first.
    width: Vec<[usize; 2]>,
    /// The functions of symbolic edges, `[layer][output][input]`.
    symbolic: Vec<Vec<Vec<String>>>,
}

impl Settings {
    /// Reads the text of a settings file.
    pub(super) fn from_text(text: &str) -> Result<Self, ImportError> {
        let refuse =
            |problem: String| ImportError::Layout(format!("has settings beside it that cannot be read: {problem}"));
        check_depth(text).map_err(refuse)?;
        let documents = Yaml::load_from_str(text).map_err(|e| refuse(Sentence(&e.to_string()).to_string()))?;
        let [document] = &documents[..] else { return Err(refuse("they are empty, or several".into())) };
        let width = document
            .as_mapping_get("width")
            .and_then(Yaml::as_sequence)
            .map_or(Vec::new(), |nodes| nodes.iter().map(nodes_of).collect());
        let base_function = document.as_mapping_get("base_fun_name").and_then(Yaml::as_str).map(str::to_owned);
        let names = |layer: usize| {
            let rows = document.as_mapping_get(&format!("symbolic.funs_name.{layer}"))?.as_sequence()?;
            let row = |row: &Yaml<'_>| row.as_sequence().map_or(Vec::new(), |names| names.iter().map(name).collect());
            Some(rows.iter().map(row).collect())
        };
        Ok(Self { base_function, width, symbolic: (0..).map_while(names).collect() })
    }

    /// Refuses settings of another network than one whose layer numbered `at` has these inputs and outputs.
    pub(super) fn check_layer(&self, at: usize, inputs: usize, outputs: usize) -> Result<(), ImportError> {
        let (Some(&[before, mb]), Some(&[behind, ma])) = (self.width.get(at), self.width.get(at + 1)) else {
            return Ok(());
        };
        if mb + ma > 0 {
            return Err(ImportError::Layout(format!(
                "has multiplication nodes, as width of its settings says ({} and {}), which are not supported",
                mb, ma
            )));
        }
        if [before, behind] != [inputs, outputs] {
            return Err(ImportError::Layout(format!(
                "has settings beside it of another network: its layer {at} is {inputs} -> {outputs}, and theirs {before} -> \
                 {behind}; rename them, or give --base-activation"
            )));
        }
        Ok(())
    }

    /// Name of an edge's symbolic function.
    pub(super) fn function(&self, layer: usize, output: usize, input: usize) -> Option<String> {
        self.symbolic.get(layer)?.get(output)?.get(input).map(|name| Quoted(name).to_string())
    }
}

/// The function on the base path that the library calls so.
pub(super) fn base_function(name: &str) -> Result<BaseFunction, ImportError> {
    match name {
        "silu" | "identity" | "zero" => name.parse().map_err(ImportError::Layout),
        other => Err(ImportError::Layout(format!(
            "has the base function {} by its settings, which is none of the library's own: give it with --base-activation",
            Quoted(other)
        ))),
    }
}

fn nodes_of(node: &Yaml<'_>) -> [usize; 2] {
    let number = |node: &Yaml<'_>| node.as_integer().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    match node.as_sequence() {
        Some(pair) => {
            let at = |n: usize| pair.get(n).map_or(0, number);
            [at(0), at(1)]
        }
        None => [number(node), 0],
    }
}

fn name(node: &Yaml<'_>) -> String {
    match (node.as_str(), node.as_integer()) {
        (Some(text), _) => text.to_owned(),
        (_, Some(number)) => number.to_string(),
        _ => "?".to_owned(),
    }
}

/// Refuses what nests deeper than settings do: the parser and its values go down as deep as the text.
fn check_depth(text: &str) -> Result<(), String> {
    let mut brackets = 0_usize;
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let opened = line.matches(['[', '{']).count();
        brackets = (brackets + opened).saturating_sub(line.matches([']', '}']).count());
        if line.len() > MAX_LINE || indent > MAX_INDENT || brackets > MAX_BRACKETS || opened > MAX_LINE / 4 {
            return Err(format!("line {} is longer or nests deeper than settings of pykan", at + 1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bears_on_results_is_read() {
        let text = "base_fun_name: identity\nmult_arity: 2\nsymbolic.funs_name.0:\n- - sin\n  - '0'\nwidth:\n- - 2\n  - 0\n- - 1\n  - 0\n";
        let settings = Settings::from_text(text).unwrap();
        assert_eq!(settings.base_function.as_deref(), Some("identity"));
        assert_eq!(settings.function(0, 0, 0).as_deref(), Some("sin"));
        assert!(settings.check_layer(0, 2, 1).is_ok());
        assert!(settings.check_layer(0, 3, 1).unwrap_err().to_string().contains("another network"));
        let mult = Settings::from_text("width: [[2, 0], [1, 2], [1, 0]]").unwrap();
        assert!(mult.check_layer(0, 2, 5).unwrap_err().to_string().contains("multiplication"));
        assert!(base_function("moduleX").unwrap_err().to_string().contains("--base-activation"));
    }

    #[test]
    fn depth_and_nonsense_are_refused() {
        for text in [
            "[".repeat(900),
            "- ".repeat(200),
            "a: [".repeat(200),
            "{\n".repeat(100),
            ": : :\n\t-".into(),
            String::new(),
        ] {
            assert!(Settings::from_text(&text).is_err(), "{text}");
        }
    }
}
