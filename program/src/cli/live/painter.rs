//! Draws the window's content on its device.
//!
//! This is what `eframe` would do. Its painter panics where the device is lost and keeps one device for ever, and here a lost
//! device is opened again in the same window.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, TextureId};
use egui_wgpu::{Renderer, RendererOptions, ScreenDescriptor};
use sharekan::run::Gpu;
use winit::window::Window;

/// Inter SemiBold, as in the labels of pictures.
const FONT: &[u8] = include_bytes!("../../../../assets/fonts/Inter-SemiBold.otf");

/// What is to be drawn.
pub(super) struct Drawing {
    pub(super) textures: egui::TexturesDelta,
    pub(super) primitives: Vec<egui::ClippedPrimitive>,
    pub(super) pixels_per_point: f32,
}

/// A window's surface and what draws there.
pub(super) struct Painter {
    gpu: Gpu,
    window: Arc<Window>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    renderer: Renderer,
    /// The frames' textures, and what they are called in drawings.
    frames: (Arc<Vec<wgpu::Texture>>, Vec<TextureId>),
}

impl Painter {
    /// Takes the window for a device.
    pub(super) fn open(gpu: &Gpu, window: &Arc<Window>) -> Result<Self, String> {
        let name = &gpu.info().name;
        let Some((instance, adapter)) = gpu.origin() else { return Err(format!("{name}: is not open for windows")) };
        let surface = surface(instance, window)?;
        let offered = surface.get_capabilities(adapter);
        // Colours are blended as they are stored, which is what labels and controls are made for.
        let format =
            offered.formats.iter().copied().find(|format| !format.is_srgb()).or(offered.formats.first().copied());
        let Some(format) = format else {
            return Err(format!(
                "{name} cannot draw in a window of this screen; --adapter takes another one (`sharekan adapters` lists them)"
            ));
        };
        let size = window.inner_size();
        let config = wgpu::SurfaceConfiguration {
            present_mode: wgpu::PresentMode::AutoVsync,
            format,
            view_formats: vec![],
            ..surface
                .get_default_config(adapter, size.width.max(1), size.height.max(1))
                .ok_or_else(|| format!("{name} cannot draw in a window of this screen"))?
        };
        surface.configure(gpu.device(), &config);
        let renderer = Renderer::new(gpu.device(), format, RendererOptions::default());
        let (gpu, window) = (gpu.clone(), Arc::clone(window));
        Ok(Self { gpu, window, surface, config, renderer, frames: (Arc::default(), Vec::new()) })
    }

    /// The device that is drawn on.
    pub(super) fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Follows the window's size.
    pub(super) fn resize(&mut self) {
        let size = self.window.inner_size();
        let most = self.gpu.device().limits().max_texture_dimension_2d;
        let [width, height] = [size.width, size.height].map(|side| side.clamp(1, most));
        if [width, height] != [self.config.width, self.config.height] {
            (self.config.width, self.config.height) = (width, height);
            self.surface.configure(self.gpu.device(), &self.config);
        }
    }

    /// What a frame's texture is called in drawings.
    pub(super) fn texture(&mut self, textures: &Arc<Vec<wgpu::Texture>>, slot: usize) -> Option<TextureId> {
        if !Arc::ptr_eq(&self.frames.0, textures) {
            self.frames.1.iter().for_each(|id| self.renderer.free_texture(id));
            let name = |texture: &wgpu::Texture| {
                let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
                self.renderer.register_native_texture(self.gpu.device(), &view, wgpu::FilterMode::Linear)
            };
            self.frames = (Arc::clone(textures), textures.iter().map(name).collect());
        }
        self.frames.1.get(slot).copied()
    }

    /// Draws, and shows it. What the device has lost is left out: the next frame is drawn on another one.
    pub(super) fn draw(&mut self, mut drawing: Drawing) {
        let (device, queue) = (self.gpu.device(), self.gpu.queue());
        // Taken out at once: what is left in there when it is dropped counts as forgotten.
        let set = std::mem::take(&mut drawing.textures.set);
        let free = std::mem::take(&mut drawing.textures.free);
        for (id, parts) in &set {
            parts.iter().for_each(|part| self.renderer.update_texture(device, queue, *id, part));
        }
        if let Some(target) = self.target() {
            let (device, queue) = (self.gpu.device(), self.gpu.queue());
            let screen = ScreenDescriptor {
                size_in_pixels: [self.config.width, self.config.height],
                pixels_per_point: drawing.pixels_per_point,
            };
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some("window") };
            let mut encoder = device.create_command_encoder(&descriptor);
            let before = self.renderer.update_buffers(device, queue, &mut encoder, &drawing.primitives, &screen);
            let view = target.texture.create_view(&wgpu::TextureViewDescriptor::default());
            {
                let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                    label: Some("window"),
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view: &view,
                        depth_slice: None,
                        resolve_target: None,
                        ops: wgpu::Operations {
                            load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                            store: wgpu::StoreOp::Store,
                        },
                    })],
                    ..Default::default()
                });
                self.renderer.render(&mut pass.forget_lifetime(), &drawing.primitives, &screen);
            }
            queue.submit(before.into_iter().chain([encoder.finish()]));
            self.window.pre_present_notify();
            queue.present(target);
        }
        free.iter().for_each(|id| self.renderer.free_texture(id));
    }

    /// Where to draw; `None` where the window has no room for it now.
    fn target(&mut self) -> Option<wgpu::SurfaceTexture> {
        for _ in 0..2 {
            match self.surface.get_current_texture() {
                wgpu::CurrentSurfaceTexture::Success(target) | wgpu::CurrentSurfaceTexture::Suboptimal(target) => {
                    return Some(target);
                }
                wgpu::CurrentSurfaceTexture::Outdated => self.surface.configure(self.gpu.device(), &self.config),
                wgpu::CurrentSurfaceTexture::Lost => {
                    let (instance, _) = self.gpu.origin()?;
                    self.surface = surface(instance, &self.window).ok()?;
                    self.surface.configure(self.gpu.device(), &self.config);
                }
                wgpu::CurrentSurfaceTexture::Timeout
                | wgpu::CurrentSurfaceTexture::Occluded
                | wgpu::CurrentSurfaceTexture::Validation => return None,
            }
        }
        None
    }
}

fn surface(instance: &wgpu::Instance, window: &Arc<Window>) -> Result<wgpu::Surface<'static>, String> {
    let target = wgpu::SurfaceTarget::DisplayAndWindow(Box::new(Arc::clone(window)));
    instance.create_surface(target).map_err(|problem| format!("the window cannot be drawn in: {problem}"))
}

/// What lays out the window: dark, with the font of the labels.
pub(super) fn context() -> egui::Context {
    let context = egui::Context::default();
    let mut fonts = FontDefinitions::empty();
    fonts.font_data.insert("Inter".into(), Arc::new(FontData::from_static(FONT)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.insert(family, vec!["Inter".into()]);
    }
    context.set_fonts(fonts);
    context.set_theme(egui::Theme::Dark);
    context
}
