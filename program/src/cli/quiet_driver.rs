//! Keeps stderr to the program's own lines.
//!
//! Mesa's Vulkan layer for choosing a device looks for the user's display and, where there is no session (containers,
//! servers), writes two lines about `XDG_RUNTIME_DIR` to stderr of whatever program lists adapters. This program chooses
//! among all adapters itself, so it turns the layer off, by the variable that the layer has for that. A process cannot
//! safely change its own environment while it runs; so it starts itself anew.

/// Turns the layer off where it would write and the user does not rely on it.
#[cfg(target_os = "linux")]
pub(crate) fn silence() {
    use std::os::unix::process::CommandExt;

    const OFF: &str = "NODEVICE_SELECT";
    let set = |name: &str| std::env::var_os(name).is_some();
    if set(OFF) || set("XDG_RUNTIME_DIR") || set("MESA_VK_DEVICE_SELECT") {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into_os_string());
    // This only returns where it fails, and then two more lines do no harm.
    let failure = std::process::Command::new(program).arg0(name).args(arguments).env(OFF, "1").exec();
    tracing::debug!("cannot start anew without Mesa's device selection: {failure}");
}

/// Other systems do not have the layer.
#[cfg(not(target_os = "linux"))]
pub(crate) fn silence() {}
