//! What is refused before it is bound.

use crate::detect::DetectError;

/// Refuses a buffer of less than so many bytes, or that kernels cannot bind.
pub(super) fn check_buffer(what: &'static str, buffer: &wgpu::Buffer, needed: u64) -> Result<(), DetectError> {
    let refuse = |found: String, expected: String| Err(DetectError::Source { what, found, expected });
    if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return refuse(format!("usage {:?}", buffer.usage()), "STORAGE".into());
    }
    if buffer.size() < needed {
        return refuse(format!("{} bytes", buffer.size()), needed.to_string());
    }
    Ok(())
}

/// Refuses what is no plain image of 8 bits a channel; true for one in sRGB.
pub(super) fn check_texture(texture: &wgpu::Texture) -> Result<bool, DetectError> {
    let refuse = |found: String, expected: &str| {
        Err(DetectError::Source { what: "the texture", found, expected: expected.into() })
    };
    let srgb = match texture.format() {
        wgpu::TextureFormat::Rgba8Unorm | wgpu::TextureFormat::Bgra8Unorm => false,
        wgpu::TextureFormat::Rgba8UnormSrgb | wgpu::TextureFormat::Bgra8UnormSrgb => true,
        other => return refuse(format!("the format {other:?}"), "Rgba8Unorm or Bgra8Unorm, plain or sRGB"),
    };
    if !texture.usage().contains(wgpu::TextureUsages::TEXTURE_BINDING) {
        return refuse(format!("usage {:?}", texture.usage()), "TEXTURE_BINDING");
    }
    let plain = texture.dimension() == wgpu::TextureDimension::D2
        && texture.depth_or_array_layers() == 1
        && texture.sample_count() == 1;
    if plain { Ok(srgb) } else { refuse("layers, depth or several samples".into(), "one image") }
}
