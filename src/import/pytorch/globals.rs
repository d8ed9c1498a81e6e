//! What the classes and functions are that a pickle names.

use super::{
    Failure, refuse,
    value::{Global, Kind},
};
use crate::container::Quoted;

/// What a name stands for.
pub(super) enum Named {
    /// A part of tensors.
    Known(Global),
    /// Anything else, which stays a name.
    Other,
}

/// Modules whose functions reach beyond Python. Nothing is called here whatever the name, but a file that asks for one
/// of these was made to do harm, and nothing in it deserves trust.
const HARMFUL_MODULES: [&str; 18] = [
    "bdb",
    "code",
    "commands",
    "ctypes",
    "importlib",
    "marshal",
    "nt",
    "os",
    "pdb",
    "pip",
    "popen2",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
];

/// Functions of Python itself that run text or open files.
const HARMFUL_BUILTINS: [&str; 10] =
    ["__import__", "breakpoint", "compile", "eval", "exec", "execfile", "file", "input", "open", "reload"];

/// Looks up a class or function.
pub(super) fn look_up(module: &str, name: &str) -> Result<Named, Failure> {
    let storage = Kind::STORAGES.iter().find(|(known, _)| *known == name).map(|&(_, kind)| Global::Storage(kind));
    let global = match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_tensor_v3") => Some(Global::RebuildTyped),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Global::RebuildParameter),
        ("torch._tensor", "_rebuild_from_type" | "_rebuild_from_type_v2") => Some(Global::RebuildFromType),
        ("torch" | "torch.cuda" | "torch.storage", _) => storage,
        _ => None,
    };
    if let Some(global) = global {
        return Ok(Named::Known(global));
    }
    // Projects have folders named `code`, too, so of modules in a folder only the name itself counts.
    let harmful = HARMFUL_MODULES.contains(&module)
        || (matches!(module, "builtins" | "__builtin__") && HARMFUL_BUILTINS.contains(&name))
        // A dotted name reaches through a module that is harmless itself.
        || (name.contains('.') && name.split('.').any(|part| HARMFUL_MODULES.contains(&part) || part.starts_with("__")));
    if harmful {
        return refuse(format!(
            "its pickle asks for {}.{}, which no checkpoint needs: it was made to run code, and is not read",
            Quoted(module),
            Quoted(name)
        ));
    }
    Ok(Named::Other)
}
