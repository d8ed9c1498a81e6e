//! What a device is known by.

use serde::{Deserialize, Serialize};

/// An adapter with its driver: what was measured on one holds on the other where all of this is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceIdentity {
    /// Name as the driver gives it.
    pub name: String,
    /// `vulkan`, `metal`, `dx12` or `webgpu`.
    pub backend: String,
    /// The maker's number, 0 where it is not known.
    pub vendor: u32,
    /// The maker's number of the device, 0 where it is not known.
    pub device: u32,
    /// The driver.
    pub driver: String,
    /// Its version, as it tells it.
    pub driver_version: String,
}

impl DeviceIdentity {
    /// The identity of the adapter that wgpu describes so.
    pub fn of(info: &wgpu::AdapterInfo) -> Self {
        Self {
            name: info.name.clone(),
            backend: info.backend.to_str().to_owned(),
            vendor: info.vendor,
            device: info.device,
            driver: info.driver.clone(),
            driver_version: info.driver_info.clone(),
        }
    }

    /// The part that stays from one driver to the next, as the beginning of a file's name.
    pub(super) fn file_stem(&self) -> String {
        let mut name = String::new();
        for c in self.name.to_lowercase().chars().take(48) {
            if c.is_ascii_alphanumeric() {
                name.push(c);
            } else if !name.ends_with('-') {
                name.push('-');
            }
        }
        format!("{}-{:04x}-{:04x}-{}", self.backend, self.vendor, self.device, name.trim_matches('-'))
    }

    /// The first thing that is another in `other`, with both values.
    pub(super) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let fields = |of: &Self| {
            [
                ("adapter", of.name.clone()),
                ("backend", of.backend.clone()),
                ("device", format!("{:04x}:{:04x}", of.vendor, of.device)),
                ("driver", of.driver.clone()),
                ("driver version", of.driver_version.clone()),
            ]
        };
        let mut pairs = fields(self).into_iter().zip(fields(other));
        pairs.find(|(own, others)| own != others).map(|((what, own), (_, others))| (what, own, others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> DeviceIdentity {
        DeviceIdentity {
            name: "Maker's GPU (Über) 9000/X".into(),
            backend: "vulkan".into(),
            vendor: 0x10de,
            device: 7,
            driver: "maker".into(),
            driver_version: "1.2".into(),
        }
    }

    #[test]
    fn files_are_named_by_what_stays() {
        assert_eq!(identity().file_stem(), "vulkan-10de-0007-maker-s-gpu-ber-9000-x");
        let odd = DeviceIdentity { name: "../../\0".into(), ..identity() };
        assert_eq!(odd.file_stem(), "vulkan-10de-0007-");
        assert_eq!(identity().file_stem(), DeviceIdentity { driver: "other".into(), ..identity() }.file_stem());
    }

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(identity().difference(&identity()), None);
        let newer = DeviceIdentity { driver_version: "1.3".into(), ..identity() };
        assert_eq!(identity().difference(&newer), Some(("driver version", "1.2".into(), "1.3".into())));
    }
}
