//! Measured tiles as JSON.

use serde::{Deserialize, Serialize};

use super::{CacheError, DeviceIdentity};
use crate::plan::Tuning;

/// Version of the file's fields.
const FORMAT: u32 = 2;
/// The program whose kernels were measured.
const PROGRAM: &str = concat!("sharekan ", env!("CARGO_PKG_VERSION"));

#[derive(Serialize, Deserialize)]
struct TilesFile {
    format: u32,
    program: String,
    adapter: DeviceIdentity,
    #[serde(flatten)]
    tuning: Tuning,
}

pub(super) fn write(tuning: &Tuning, adapter: &DeviceIdentity) -> Vec<u8> {
    let file = TilesFile { format: FORMAT, program: PROGRAM.into(), adapter: adapter.clone(), tuning: tuning.clone() };
    // Numbers, names and flags: nothing that JSON cannot say.
    let mut bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

pub(super) fn read(bytes: &[u8], adapter: &DeviceIdentity) -> Result<Tuning, CacheError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged = |problem: serde_json::Error| CacheError::Damaged(problem.to_string());
    let foreign = |what, found, expected| Err(CacheError::Foreign { what, found, expected });
    let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format != FORMAT {
        return foreign("format", format.to_string(), FORMAT.to_string());
    }
    let file: TilesFile = serde_json::from_slice(bytes).map_err(damaged)?;
    if file.program != PROGRAM {
        return foreign("program", file.program, PROGRAM.into());
    }
    match file.adapter.difference(adapter) {
        Some((what, found, expected)) => foreign(what, found, expected),
        None => Ok(file.tuning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{EdgesTile, IntegerTile, TunedTile};

    fn adapter() -> DeviceIdentity {
        DeviceIdentity {
            name: "GPU".into(),
            backend: "vulkan".into(),
            vendor: 1,
            device: 2,
            driver: "driver".into(),
            driver_version: "3".into(),
        }
    }

    fn tuning() -> Tuning {
        let tile = EdgesTile { rows: 1, groups: 8, split: 4, slice: 16, on_chip: true };
        Tuning {
            tiles: vec![TunedTile {
                inputs: 64,
                outputs: 32,
                codewords: 16,
                stages: 1,
                heads: 1,
                table_gains: false,
                rows: 169,
                tile: IntegerTile::Edges(tile),
            }],
            networks: [("f16 conv 1x1 32->16 at 43264".to_owned(), [2, 1, 16, 4, 2, 4])].into(),
        }
    }

    #[test]
    fn what_is_written_is_read_by_the_same_device_only() {
        let bytes = write(&tuning(), &adapter());
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&value["format"], &value["adapter"]["driver_version"]), (&2.into(), &"3".into()));
        assert_eq!(value["tiles"][0]["tile"]["edges"]["slice"], 16);
        assert_eq!(read(&bytes, &adapter()).unwrap(), tuning());
        let newer = DeviceIdentity { driver_version: "4".into(), ..adapter() };
        let text = read(&bytes, &newer).unwrap_err().to_string();
        assert!(text.contains("measured with driver version 3, here is 4"), "{text}");
        let changed = |field: &str, to: serde_json::Value| {
            let mut value = value.clone();
            value[field] = to;
            read(value.to_string().as_bytes(), &adapter()).unwrap_err().to_string()
        };
        assert!(changed("program", "sharekan 0.0.1".into()).contains("measured with program sharekan 0.0.1"));
        assert!(changed("format", 1.into()).contains("measured with format 1, here is 2"));
        assert!(changed("tiles", 7.into()).contains("holds no measured tiles"));
        assert!(changed("format", "1".into()).contains("holds no measured tiles"));
        for bytes in [&b""[..], b"{", b"[2]", &bytes[..bytes.len() / 2]] {
            assert!(matches!(read(bytes, &adapter()), Err(CacheError::Damaged(_))));
        }
    }
}
