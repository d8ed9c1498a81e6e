//! Keeps stderr to the program's own lines.
//!
//! Mesa's Vulkan layer for choosing a device looks for the user's display and, where there is no session (containers,
//! servers), writes two lines about `XDG_RUNTIME_DIR` to stderr of whatever program lists adapters. This program chooses
//! among all adapters itself, so it turns the layer off, by the variable that the layer has for that.

/// Turns the layer off where it would write and the user does not rely on it.
///
/// # Safety
/// No other thread may run: the environment of a process is not safe to change beside readers.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn silence() {
    const OFF: &str = "NODEVICE_SELECT";
    let set = |name: &str| std::env::var_os(name).is_some();
    if set(OFF) || set("XDG_RUNTIME_DIR") || set("MESA_VK_DEVICE_SELECT") {
        return;
    }
    // SAFETY: the caller says that no other thread runs.
    unsafe { std::env::set_var(OFF, "1") };
}

/// Other systems do not have the layer.
///
/// # Safety
/// None is needed.
#[cfg(not(target_os = "linux"))]
pub(crate) unsafe fn silence() {}
