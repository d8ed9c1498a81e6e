//! Kernels written over constants that are no overrides: numbers of registers, which must not be indexed at run time,
//! since a compiler that cannot unroll a loop puts an indexed array into memory a hundred times slower.
//!
//! A block between the lines `// repeat NAME COUNT` and `// end` stands COUNT times, `{NAME}` replaced by 0, 1 and so on,
//! `{NAME+1}` by the number after, `{NAME/4}` and `{NAME%4}` by the vector of four and the place in it. COUNT is a number
//! or a constant. Blocks may be nested. `{CONSTANT}` is replaced by its value.
//!
//! A block that cannot be repeated (its count is no constant, it has no end) becomes a line that no compiler takes and that
//! says why, so a device or a test refuses the kernel by that name.

/// A constant of a kernel's source and its value.
pub(crate) type Constant = (&'static str, u32);

/// Expands `source` and puts the constants before it.
pub(crate) fn expand(source: &str, constants: &[Constant]) -> String {
    let mut text: String = constants.iter().map(|(name, value)| format!("const {name}: u32 = {value}u;\n")).collect();
    let lines: Vec<&str> = source.lines().collect();
    let values: Vec<(String, u32)> = constants.iter().map(|(name, value)| (format!("{{{name}}}"), *value)).collect();
    repeat(&lines, constants, &values, &mut text);
    text
}

fn repeat(lines: &[&str], constants: &[Constant], replaced: &[(String, u32)], text: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        let Some(head) = line.trim().strip_prefix("// repeat ") else {
            let mut line = line.to_owned();
            for (name, value) in replaced {
                line = line.replace(name, &value.to_string());
            }
            text.push_str(&line);
            text.push('\n');
            continue;
        };
        let (name, count) = head.split_once(' ').unwrap_or((head, ""));
        let known = constants.iter().find(|(name, _)| *name == count).map(|(_, value)| *value);
        let (Some(count), Some(length)) = (known.or_else(|| count.parse().ok()), closing(&lines[at..])) else {
            text.push_str(&format!("#error repeat {head}: no such constant, or no end\n"));
            continue;
        };
        let end = at + length;
        for n in 0..count {
            let mut replaced = replaced.to_vec();
            replaced.push((format!("{{{name}}}"), n));
            replaced.push((format!("{{{name}+1}}"), n + 1));
            replaced.push((format!("{{{name}/4}}"), n / 4));
            replaced.push((format!("{{{name}%4}}"), n % 4));
            repeat(&lines[at..end], constants, &replaced, text);
        }
        at = end + 1;
    }
}

/// Number of lines before the end of the block that has just begun; `None` where it does not end.
fn closing(lines: &[&str]) -> Option<usize> {
    let mut depth = 0;
    for (at, line) in lines.iter().enumerate() {
        match line.trim() {
            "// end" if depth == 0 => return Some(at),
            "// end" => depth -= 1,
            line if line.starts_with("// repeat ") => depth += 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn blocks_stand_as_often_as_they_say() {
        let source = "a\n// repeat x N\nb{x}\n    // repeat y 2\n    c{x}{y}{x+1}{N}\n    // end\n// end\nd\n";
        let expected = "const N: u32 = 2u;\na\nb0\n    c0012\n    c0112\nb1\n    c1022\n    c1122\nd\n";
        assert_eq!(expand(source, &[("N", 2)]), expected);
    }

    #[test]
    fn numbers_in_vectors_of_four() {
        let expected = "const N: u32 = 6u;\n00\n01\n02\n03\n10\n11\n";
        assert_eq!(expand("// repeat x N\n{x/4}{x%4}\n// end\n", &[("N", 6)]), expected);
    }

    #[test]
    fn what_cannot_be_repeated_does_not_compile() {
        for (source, problem) in [
            ("// repeat x COUNT\nlet a_{x} = 0u;\n// end\n", "#error repeat x COUNT"),
            ("// repeat x\n// end\n", "#error repeat x:"),
            ("// repeat x 2\n", "#error repeat x 2"),
        ] {
            let text = expand(&format!("fn f() {{\n{source}}}\n"), &[("ROWS", 2)]);
            assert!(text.contains(problem), "{text}");
            assert!(naga::front::wgsl::parse_str(&text).is_err(), "{text}");
        }
    }
}
