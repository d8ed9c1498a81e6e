//! The thread that looks at frames: to the device, and to boxes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sharekan::Error;
use sharekan::detect::frame::LetterboxBinding;
use sharekan::detect::{
    DetectError, DetectOptions, DetectingHead, DetectionRecord, HeadDetections, ImageDetections, Picture, bank_classes,
};
use sharekan::run::{Gpu, RunError};

use super::shared::{Controls, Frame, Job, Shared, Shown};
use crate::cli::detect::join;
use crate::cli::detector::{Opened, Opening};

/// Textures that frames take turns in: one is shown, one may be on its way to the screen, one is looked at.
const TEXTURES: usize = 3;
/// A file that falls behind by more than this goes on from where it is.
const LATE: Duration = Duration::from_millis(500);

/// A head, or the heads of a bank, that can look.
pub(super) struct Looking {
    opened: Opened,
    is_bank: bool,
    heads: Vec<DetectingHead>,
    by_head: Vec<Vec<String>>,
    classes: Arc<Vec<String>>,
    /// One a texture.
    bindings: Vec<LetterboxBinding>,
}

impl Looking {
    pub(super) fn new(opening: Opening) -> Self {
        let heads = opening.detector.heads().to_vec();
        let by_head = bank_classes(&heads);
        let classes = Arc::new(by_head.concat());
        Self { opened: opening.detector, is_bank: opening.is_bank, heads, by_head, classes, bindings: Vec::new() }
    }

    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    fn records(&self, found: &[HeadDetections]) -> Vec<DetectionRecord> {
        if !self.is_bank {
            return found.iter().flatten().map(|one| DetectionRecord::new(one, &self.classes)).collect();
        }
        let of_heads = found.iter().zip(&self.heads);
        let of_heads = of_heads.map(|(found, head)| (&head.name[..], &found[..], &head.settings.classes[..]));
        ImageDetections::of_heads(String::new(), 0, 0, of_heads).detections
    }
}

/// Why nobody looks any more.
pub(super) enum Gone {
    /// The window's device, or that of a head, is lost.
    Lost(String),
    Failed(String),
}

/// Everything to look with.
pub(super) struct Looker {
    /// The window's device.
    pub(super) gpu: Gpu,
    pub(super) heads: Vec<Looking>,
    pub(super) options: DetectOptions,
    /// Least time from one frame to the next.
    pub(super) pace: Duration,
    /// Whether frames come at the times that they have in the source.
    pub(super) in_time: bool,
}

/// The last frame, and how it was looked at.
struct Last {
    frame: Arc<Frame>,
    slot: usize,
    controls: Controls,
}

impl Looker {
    /// Looks at frames until the user wants no more; `told` is called for every frame that can be shown.
    pub(super) fn run(mut self, shared: &Shared, told: impl Fn()) -> Result<(), Gone> {
        let mut textures: Arc<Vec<wgpu::Texture>> = Arc::default();
        let mut last: Option<Last> = None;
        let mut clock = Clock { started: None, base: None, pace: self.pace, in_time: self.in_time };
        loop {
            let used = last.as_ref().map(|last| last.controls);
            let (frame, slot, controls, new) = match shared.job(used.as_ref(), |frame, now| clock.due(frame, now)) {
                Job::Quit => return Ok(()),
                Job::Lost(controls) => {
                    // What is looked at in a pause is there again after it.
                    if let Some(last) = last.filter(|_| controls.paused) {
                        shared.give_back(Arc::unwrap_or_clone(last.frame));
                    }
                    return Err(Gone::Lost(self.gpu.lost().unwrap_or_default()));
                }
                Job::Look(frame, controls) => {
                    clock.take(&frame, Instant::now());
                    if textures.first().is_none_or(|texture| size(texture) != frame.size) {
                        match self.textures(frame.size) {
                            Ok(made) => textures = Arc::new(made),
                            Err(problem) => {
                                shared.give_back(frame);
                                return Err(problem);
                            }
                        }
                    }
                    let slot = last.as_ref().map_or(0, |last| (last.slot + 1) % TEXTURES);
                    (Arc::new(frame), slot, controls, true)
                }
                Job::Again(controls) => match last.take() {
                    Some(Last { frame, slot, .. }) => (frame, slot, controls, false),
                    None => continue,
                },
            };
            // What a file gives waits for its time.
            let came = if self.in_time { Instant::now() } else { frame.came };
            let mut stages = vec![("read", frame.reading)];
            if new {
                let start = Instant::now();
                upload(&self.gpu, &textures[slot], &frame);
                stages.push(("upload", start.elapsed()));
            }
            let found = match self.look(&frame, slot, &controls, &mut stages) {
                Ok(found) => found,
                Err(problem) => {
                    if new && let Some(frame) = Arc::into_inner(frame) {
                        shared.give_back(frame);
                    }
                    return Err(gone(problem));
                }
            };
            stages.push(("frame to boxes", came.elapsed()));
            let looking = &self.heads[controls.head];
            let shown = Shown {
                frame: Arc::clone(&frame),
                textures: Arc::clone(&textures),
                slot,
                records: looking.records(&found),
                classes: Arc::clone(&looking.classes),
                detections: join(&found, &looking.by_head),
            };
            // Its pixels are free again when nobody shows it.
            if let Some(frame) = last.take().and_then(|last| Arc::into_inner(last.frame)) {
                shared.take_back(frame.pixels);
            }
            shared.show(shown, &stages, new);
            last = Some(Last { frame, slot, controls });
            told();
        }
    }

    /// Makes the textures for frames of a size, and binds them to every head on the device.
    fn textures(&mut self, [width, height]: [u32; 2]) -> Result<Vec<wgpu::Texture>, Gone> {
        let most = self.gpu.device().limits().max_texture_dimension_2d;
        if width.max(height) > most {
            let name = &self.gpu.info().name;
            return Err(Gone::Failed(format!(
                "frames are {width}x{height}, expected at most {most} pixels a side on {name}"
            )));
        }
        let texture = |_| {
            self.gpu.device().create_texture(&wgpu::TextureDescriptor {
                label: Some("live frame"),
                size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8Unorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        };
        let textures: Vec<_> = (0..TEXTURES).map(texture).collect();
        for looking in &mut self.heads {
            if let Opened::Frames(detectors, _) = &mut looking.opened {
                let detector = detectors.for_image(width, height).map_err(gone)?;
                let bound = textures.iter().map(|texture| detector.bind_texture(texture));
                looking.bindings = bound.collect::<Result<_, _>>().map_err(gone)?;
            }
        }
        Ok(textures)
    }

    /// The boxes in a frame, and where the time went.
    fn look(
        &mut self,
        frame: &Frame,
        slot: usize,
        controls: &Controls,
        stages: &mut Vec<(&'static str, Duration)>,
    ) -> Result<Vec<HeadDetections>, DetectError> {
        let looking = &mut self.heads[controls.head];
        let options = self.options.score(controls.score).nms(controls.nms);
        let start = Instant::now();
        match &mut looking.opened {
            Opened::Frames(detectors, _) => {
                detectors.set_options(options)?;
                let detector = detectors.for_image(frame.size[0], frame.size[1])?;
                detector.submit_bound(&looking.bindings[slot])?;
                let found = detector.next()?.unwrap_or_default();
                stages.push(("detect", start.elapsed()));
                Ok(found)
            }
            Opened::Steps(detector, ..) => {
                detector.set_options(options)?;
                let [width, height] = frame.size;
                let rgb = frame.pixels.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
                let (found, times) = detector.detect_by_head(&Picture::from_rgb(width, height, rgb)?)?;
                let known = times.backbone + times.head + times.decode;
                let rest = start.elapsed().saturating_sub(known);
                stages.extend([("letterbox", rest), ("backbone", times.backbone), ("head", times.head)]);
                stages.push(("boxes", times.decode));
                Ok(found)
            }
        }
    }
}

/// When frames are looked at.
struct Clock {
    /// When the last one was taken.
    started: Option<Instant>,
    /// A time, and that of the source then.
    base: Option<(Instant, f64)>,
    pace: Duration,
    in_time: bool,
}

impl Clock {
    /// When a frame may be taken.
    fn due(&self, frame: &Frame, now: Instant) -> Instant {
        let paced = self.started.map_or(now, |started| started + self.pace);
        let Some((then, seconds)) = self.base.filter(|_| self.in_time) else { return paced };
        // A jump of the source's times is no reason to wait for long.
        let ahead = Duration::try_from_secs_f64(frame.seconds - seconds).unwrap_or_default();
        let played = then + ahead;
        if played > now + Duration::from_secs(10) { paced } else { paced.max(played) }
    }

    /// A frame is taken.
    fn take(&mut self, frame: &Frame, now: Instant) {
        self.started = Some(now);
        let ahead = self.base.map(|(then, seconds)| (then, frame.seconds - seconds));
        let on_time = ahead.is_some_and(|(then, ahead)| {
            (now.saturating_duration_since(then).as_secs_f64() - ahead).abs() < LATE.as_secs_f64()
        });
        if !on_time {
            self.base = Some((now, frame.seconds));
        }
    }
}

fn size(texture: &wgpu::Texture) -> [u32; 2] {
    [texture.width(), texture.height()]
}

/// Sends the pixels of a frame to the device: the only time that they go there.
fn upload(gpu: &Gpu, texture: &wgpu::Texture, frame: &Frame) {
    let [width, height] = frame.size;
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: None };
    let extent = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
    gpu.queue().write_texture(texture.as_image_copy(), &frame.pixels, layout, extent);
}

fn gone(problem: DetectError) -> Gone {
    match problem {
        DetectError::Device(RunError::Lost(reason)) => Gone::Lost(reason),
        other => Gone::Failed(Error::from(other).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seconds: f64) -> Frame {
        let now = Instant::now();
        Frame { pixels: vec![], size: [0, 0], seconds, number: 0, came: now, reading: Duration::ZERO }
    }

    #[test]
    fn a_file_is_played_in_its_own_time_and_live_frames_at_once() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut clock = Clock { started: None, base: None, pace: ms(10), in_time: true };
        assert_eq!(clock.due(&frame(7.0), start), start);
        clock.take(&frame(7.0), start);
        assert_eq!(clock.due(&frame(7.25), start), start + ms(250));
        // What is late is not waited for, and what comes after that counts from there.
        let late = start + ms(2000);
        assert!(clock.due(&frame(7.25), late) <= late);
        clock.take(&frame(7.25), late);
        assert_eq!(clock.due(&frame(7.5), late), late + ms(250));
        assert_eq!(clock.due(&frame(1e9), late), late + ms(10));
        assert_eq!(clock.due(&frame(-1e9), late), late + ms(10));
        clock.in_time = false;
        assert_eq!(clock.due(&frame(7.5), late), late + ms(10));
    }
}
