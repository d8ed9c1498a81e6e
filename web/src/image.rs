//! Pictures as a browser has them.

use sharekan::detect::Picture;
use sharekan::run::Gpu;
use sharekan::wgpu;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use crate::value::failed;

/// Something that the browser copies into a texture itself.
pub(crate) fn external(source: &JsValue) -> Result<wgpu::ExternalImageSource, JsError> {
    use wgpu::ExternalImageSource as Source;
    let source = source.clone();
    let source = match source.dyn_into::<web_sys::VideoFrame>() {
        Ok(frame) => return Ok(Source::VideoFrame(frame)),
        Err(other) => other,
    };
    let source = match source.dyn_into::<web_sys::ImageBitmap>() {
        Ok(bitmap) => return Ok(Source::ImageBitmap(bitmap)),
        Err(other) => other,
    };
    let source = match source.dyn_into::<web_sys::OffscreenCanvas>() {
        Ok(canvas) => return Ok(Source::OffscreenCanvas(canvas)),
        Err(other) => other,
    };
    let source = match source.dyn_into::<web_sys::HtmlVideoElement>() {
        Ok(video) => return Ok(Source::HTMLVideoElement(video)),
        Err(other) => other,
    };
    match source.dyn_into::<web_sys::HtmlCanvasElement>() {
        Ok(canvas) => Ok(Source::HTMLCanvasElement(canvas)),
        Err(_) => {
            Err(JsError::new("the picture is none that a texture takes, expected an ImageBitmap, VideoFrame or canvas"))
        }
    }
}

/// A texture that pictures of a size are copied into.
pub(crate) fn texture(gpu: &Gpu, width: u32, height: u32) -> Result<wgpu::Texture, JsError> {
    let most = gpu.device().limits().max_texture_dimension_2d;
    if width == 0 || height == 0 || width > most || height > most {
        let text = format!("the picture has {width} x {height} pixels, expected 1 to {most} a side");
        return Err(JsError::new(&text));
    }
    Ok(gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        // What a browser copies into a texture, it may draw there.
        usage: wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_DST
            | wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    }))
}

/// Copies a picture of the browser into a texture of its size.
pub(crate) fn copy(gpu: &Gpu, source: wgpu::ExternalImageSource, texture: &wgpu::Texture) {
    let from = wgpu::CopyExternalImageSourceInfo { source, origin: wgpu::Origin2d::ZERO, flip_y: false };
    let to = wgpu::CopyExternalImageDestInfo {
        texture,
        mip_level: 0,
        origin: wgpu::Origin3d::ZERO,
        aspect: wgpu::TextureAspect::All,
        color_space: wgpu::PredefinedColorSpace::Srgb,
        premultiplied_alpha: false,
    };
    gpu.queue().copy_external_image_to_texture(&from, to, texture.size());
}

/// Copies pixels of four bytes into a texture of their size.
pub(crate) fn write(gpu: &Gpu, rgba: &[u8], texture: &wgpu::Texture) {
    let layout =
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * texture.width()), rows_per_image: None };
    gpu.queue().write_texture(texture.as_image_copy(), rgba, layout, texture.size());
}

/// A picture of pixels of four bytes.
pub(crate) fn picture(rgba: &[u8], width: u32, height: u32) -> Result<Picture, JsError> {
    check(rgba, width, height)?;
    let rgb: Vec<u8> = rgba.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    Picture::from_rgb(width, height, rgb).map_err(failed)
}

/// Refuses pixels that are not those of a picture of this size.
pub(crate) fn check(rgba: &[u8], width: u32, height: u32) -> Result<(), JsError> {
    let expected = 4 * u64::from(width) * u64::from(height);
    if rgba.len() as u64 != expected || expected == 0 {
        let text = format!("the picture of {width} x {height} pixels has {} bytes, expected {expected}", rgba.len());
        return Err(JsError::new(&text));
    }
    Ok(())
}
