//! Kernels broken on purpose: `SHAREKAN_BREAK="kernel|what|by what"` replaces the first `what` in the source of that kernel
//! (as it is compiled, shared parts and constants in place) in every test that runs kernels. `.ci/break-kernels` goes through
//! a list of them and expects red.

use std::env;
use std::sync::LazyLock;

/// What is broken, where something is.
pub struct Break {
    pub kernel: String,
    pub from: String,
    pub to: String,
}

pub static BREAK: LazyLock<Option<Break>> = LazyLock::new(|| {
    let entry = env::var("SHAREKAN_BREAK").ok()?;
    let parts: Vec<&str> = entry.splitn(3, '|').collect();
    let [kernel, from, to] = parts[..] else { panic!("SHAREKAN_BREAK is {entry:?}, expected kernel|what|by what") };
    Some(Break { kernel: kernel.into(), from: from.into(), to: to.into() })
});

/// The source as it is to be compiled.
pub fn rewrite(kernel: &str, source: String) -> String {
    match BREAK.as_ref() {
        Some(broken) if broken.kernel == kernel => source.replacen(&broken.from, &broken.to, 1),
        _ => source,
    }
}
