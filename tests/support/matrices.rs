//! The kernels of cooperative matrices for adapters that have none: the same source, in which the matrices alone are replaced
//! by plain WGSL. A fragment of a factor is the place that it was loaded from, and each lane of what counts as a subgroup
//! holds its share of the sums; so factors are read where they are multiplied, which is the same as long as nothing is
//! written in between: a factor lies in memory that the kernel only reads, or is multiplied before the next barrier.

use sharekan::run::Gpu;

use super::{GPU, breaks};

/// Lanes that count as a subgroup.
const SUBGROUP: usize = 32;

/// The tests' adapter, multiplying its matrices in plain WGSL.
pub fn gpu() -> Gpu {
    GPU.clone().rewriting_kernels(Some(SUBGROUP), |kernel, source| {
        let source = breaks::rewrite(kernel, source);
        if source.contains("enable wgpu_cooperative_matrix") { plain(&source) } else { source }
    })
}

/// What stands between `from` and `to` after the first `before`; panics where it is not there, since then the kernel has
/// changed and this with it.
fn between<'a>(text: &'a str, before: &str, to: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("the kernel has no {before:?}")) + before.len();
    let length = text[start..].find(to).unwrap_or_else(|| panic!("no {to:?} after {before:?}"));
    &text[start..start + length]
}

/// Replaces every `open ... [at], stride)` by what `call` makes of the buffer's name, the place in it and the stride.
fn replace_calls(source: &str, open: &str, call: impl Fn(&str, &str, &str) -> String) -> String {
    let mut parts = source.split(open);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (call_text, rest) = part.split_once(')').expect("a call ends");
        let (name, arguments) = call_text.split_once('[').expect("a place in a buffer");
        let (at, stride) = arguments.split_once("], ").expect("a place and a stride");
        text.push_str(&call(name, at, stride));
        text.push_str(rest);
    }
    text
}

/// The kernel without cooperative matrices and subgroups.
pub fn plain(source: &str) -> String {
    let load_a = "coopLoadT<coop_mat16x16<f16, A>>(&";
    let load_b = "coopLoad<coop_mat16x16<f16, B>>(&";
    let store = "coopStoreT(";
    let (a, b) = (between(source, load_a, "[").to_owned(), between(source, load_b, "[").to_owned());
    let staging = between(between(source, store, ")"), "&", "[").to_owned();
    let lane = between(source, "@builtin(local_invocation_index) ", ":").to_owned();
    let subgroup = between(source, "@builtin(subgroup_id) ", ":").to_owned();
    let place = between(source, "@builtin(subgroup_invocation_id) ", ":").to_owned();

    let mut text = source.replace("enable wgpu_cooperative_matrix;\n", "");
    for builtin in
        [format!("@builtin(subgroup_id) {subgroup}: u32,"), format!("@builtin(subgroup_invocation_id) {place}: u32,")]
    {
        text = text.replace(&builtin, "");
    }
    let main = text.find("fn main(").expect("an entry point");
    let body = main + text[main..].find(") {\n").expect("a body") + ") {\n".len();
    text.insert_str(
        body,
        &format!("    let {subgroup} = {lane} / {SUBGROUP}u;\n    let {place} = {lane} % {SUBGROUP}u;\n"),
    );
    text = text.replace("coop_mat16x16<f32, C>", "array<f32, FRAGMENT_SHARE>");
    for load in [load_a, load_b] {
        text = replace_calls(&text, load, |_, at, stride| format!("Fragment({at}, {stride})"));
    }
    text = multiplied(&text, &place);
    // The one fragment that is stored is named before the comma.
    let stored = between(&text, store, ",").to_owned();
    text = replace_calls(&text, &format!("{store}{stored}, &"), |_, at, stride| {
        format!("store_fragment({stored}, {at}, {stride}, {place})")
    });
    let left = ["coop_mat", "coopLoad", "coopMultiply", "coopStore"].iter().find(|name| text.contains(**name));
    assert_eq!(left, None, "a cooperative matrix is left");
    format!(
        "{text}
const FRAGMENT_SHARE: u32 = {share}u;

// Where a fragment begins, and from one of its rows (or columns) of 16 to the next, in vectors of four.
struct Fragment {{
    at: u32,
    stride: u32,
}}

// Rows of the first factor times columns of the second one.
fn multiply_fragments(
    a: Fragment,
    b: Fragment,
    sums: array<f32, FRAGMENT_SHARE>,
    lane: u32,
) -> array<f32, FRAGMENT_SHARE> {{
    var total = sums;
    for (var n = 0u; n < FRAGMENT_SHARE; n++) {{
        let element = n * {SUBGROUP}u + lane;
        let row = a.at + element / 16u * a.stride;
        let column = b.at + element % 16u * b.stride;
        for (var k = 0u; k < 4u; k++) {{
            total[n] += dot(vec4<f32>({a}[row + k]), vec4<f32>({b}[column + k]));
        }}
    }}
    return total;
}}

fn store_fragment(sums: array<f32, FRAGMENT_SHARE>, at: u32, stride: u32, lane: u32) {{
    var own = sums;
    for (var n = 0u; n < FRAGMENT_SHARE; n++) {{
        let element = n * {SUBGROUP}u + lane;
        {staging}[at + element / 16u * stride + element % 16u] = own[n];
    }}
}}
",
        share = 256 / SUBGROUP,
    )
}

fn multiplied(source: &str, place: &str) -> String {
    let open = "coopMultiplyAdd(";
    let mut parts = source.split(open);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (arguments, rest) = part.split_once(')').expect("a call ends");
        text.push_str(&format!("multiply_fragments({arguments}, {place}){rest}"));
    }
    text
}
