//! The window, and what goes on while it is open.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::window::{Window, WindowId};

use super::LiveArgs;
use super::feed::feed;
use super::looker::{Gone, Looker};
use super::opening::{self, Devices};
use super::painter::{self, Drawing, Painter};
use super::panel::{self, View};
use super::saving;
use super::shared::{Controls, Shared};
use super::summary::Summary;
use crate::cli::failure::{Failure, note};
use crate::video::{Place, Stop};

/// How often it is looked whether the user has ended the program elsewhere, or the window is seen again.
const LOOK: Duration = Duration::from_millis(250);
/// Times that a device is opened again within [`WITHIN`].
const REOPENED: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// What wakes the window.
#[derive(Debug)]
enum Wake {
    /// There is another frame.
    Frame,
    /// A thread has ended.
    Ended,
}

/// Opens the window, and everything for it; returns when it is closed.
pub(super) fn run(args: &LiveArgs) -> Result<(), Failure> {
    let screen = args.json.screen()?;
    let place = Place::read(&args.source);
    place.check().map_err(|problem| Failure::new(format!("{place}: {problem}")))?;
    let events = EventLoop::<Wake>::with_user_event().build();
    let events = events.map_err(|problem| Failure::new(format!("no window can be opened here: {problem}")))?;
    let opened = opening::open(args, !place.is_live(), screen)?;
    let stop =
        Stop::on_signals().map_err(|problem| Failure::new(format!("interrupts cannot be watched for: {problem}")))?;

    let (score, nms) = (args.detector.score, args.detector.nms);
    let shared = Arc::new(Shared::new(Controls { score, nms, head: 0, paused: false, hidden: false }));
    let wake = Alarm(events.create_proxy());
    let feeder = {
        let (place, shared, stop, wake) = (place.clone(), Arc::clone(&shared), stop.clone(), wake.clone());
        std::thread::spawn(move || {
            // However the thread ends, the window hears of it.
            let _ended = wake;
            feed(&place, &shared, &stop);
        })
    };
    let context = painter::context();
    let mut live = Live {
        args,
        place,
        names: std::iter::once(&args.head).chain(&args.others).map(|path| name(path)).collect(),
        shared: Arc::clone(&shared),
        stop: stop.clone(),
        wake,
        context,
        window: None,
        painter: None,
        input: None,
        opened: Some(opened.looker),
        devices: opened.devices,
        looker: None,
        deadline: args.time.map(|time| Instant::now() + time),
        loses: args.lose_device_after.map(|time| Instant::now() + time),
        covered: false,
        redraw: None,
        losses: Vec::new(),
        reopened: 0,
        saved: Vec::new(),
        news: String::new(),
        failure: None,
    };
    let ran = events.run_app(&mut live).map_err(|problem| Failure::new(format!("the window has failed: {problem}")));

    let interrupted = stop.asked();
    shared.quit();
    stop.ask();
    live.painter = None;
    let looked = live.looker.take().map(JoinHandle::join);
    let fed = feeder.join();
    ran?;
    let summary = live.summary();
    if live.failure.is_none() || summary.frames > 0 {
        summary.print(screen)?;
        args.json.write_about(&summary, &opened.assumed)?;
    }
    if let Some(failure) = live.failure {
        return Err(failure);
    }
    if fed.is_err() || matches!(looked, Some(Err(_))) {
        return Err(Failure::new("a thread has ended by a bug of this program; what is above says where"));
    }
    if interrupted { Err(Failure::Interrupted) } else { Ok(()) }
}

/// A head's name in the window.
fn name(path: &std::path::Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}

/// Tells the window that a thread has ended, when it is dropped there.
#[derive(Clone)]
struct Alarm(EventLoopProxy<Wake>);

impl Drop for Alarm {
    fn drop(&mut self) {
        // A window that is closed does not mind.
        let _ = self.0.send_event(Wake::Ended);
    }
}

struct Live<'a> {
    args: &'a LiveArgs,
    place: Place,
    names: Vec<String>,
    shared: Arc<Shared>,
    stop: Stop,
    wake: Alarm,
    context: egui::Context,
    window: Option<Arc<Window>>,
    painter: Option<Painter>,
    input: Option<egui_winit::State>,
    /// What looks, until its thread has it.
    opened: Option<Looker>,
    devices: Vec<Devices>,
    looker: Option<JoinHandle<Result<(), Gone>>>,
    deadline: Option<Instant>,
    loses: Option<Instant>,
    /// Others lie over all of the window.
    covered: bool,
    /// When to draw again without another reason.
    redraw: Option<Instant>,
    losses: Vec<Instant>,
    reopened: u32,
    saved: Vec<PathBuf>,
    /// What was last worth a line.
    news: String,
    failure: Option<Failure>,
}

impl Live<'_> {
    fn summary(&self) -> Summary {
        let head = self.shared.controls().head;
        let size = self.shared.shown().map_or([0, 0], |shown| shown.frame.size);
        let path = if head == 0 { &self.args.head } else { &self.args.others[head - 1] };
        let names = (self.place.to_string(), path.display().to_string());
        let saved = self.saved.iter().map(|path| path.display().to_string()).collect();
        Summary::new(names, size, self.shared.times(), &self.devices[head], (self.reopened, saved))
    }

    fn fail(&mut self, events: &ActiveEventLoop, failure: Failure) {
        self.failure.get_or_insert(failure);
        events.exit();
    }

    /// Gives the window to the device, and lets frames be looked at.
    fn start(&mut self) -> Result<(), Failure> {
        let (Some(looker), Some(window)) = (self.opened.take(), &self.window) else { return Ok(()) };
        let gpu = looker.gpu.clone();
        self.painter = Some(Painter::open(&gpu, window).map_err(Failure::new)?);
        if let Some(input) = &mut self.input {
            input.set_max_texture_side(gpu.device().limits().max_texture_dimension_2d as usize);
        }
        let (shared, wake) = (Arc::clone(&self.shared), self.wake.clone());
        self.looker = Some(std::thread::spawn(move || {
            let told = || {
                let _ = wake.0.send_event(Wake::Frame);
            };
            looker.run(&shared, told)
        }));
        Ok(())
    }

    /// Opens a lost device again, and all that was on it.
    fn reopen(&mut self, reason: &str) -> Result<(), Failure> {
        let now = Instant::now();
        self.losses.retain(|&then| now - then < WITHIN);
        if self.losses.len() == REOPENED {
            return Err(Failure::new(format!(
                "the device was lost {} times within a minute, the last time: {reason}",
                REOPENED + 1
            )));
        }
        self.losses.push(now);
        self.painter = None;
        self.shared.begin_anew();
        let opened = opening::open(self.args, !self.place.is_live(), crate::cli::screen::Screen::silent())?;
        // Letters are drawn anew on the new device.
        self.context = painter::context();
        if let Some(window) = &self.window {
            self.input = Some(input(&self.context, window));
        }
        (self.opened, self.devices) = (Some(opened.looker), opened.devices);
        self.start()?;
        self.reopened += 1;
        self.news = "The device was lost and is open again".into();
        note(&format!("the device was lost ({reason}) and is open again"));
        Ok(())
    }

    /// Looks at what threads have come to.
    fn check(&mut self, events: &ActiveEventLoop) {
        if self.looker.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(looker) = self.looker.take()
        {
            match looker.join() {
                Ok(Ok(())) => (),
                Ok(Err(Gone::Lost(reason))) => {
                    if let Err(failure) = self.reopen(&reason) {
                        self.fail(events, failure);
                    }
                }
                Ok(Err(Gone::Failed(problem))) => self.fail(events, Failure::new(problem)),
                Err(_) => self.fail(events, Failure::new("the detector has ended by a bug of this program")),
            }
        }
        match self.shared.ended() {
            Some(Err(problem)) => self.fail(events, Failure::new(problem)),
            Some(Ok(())) if self.deadline.is_some() => events.exit(),
            Some(Ok(())) => self.news = "The file has ended".into(),
            None => (),
        }
    }

    fn draw(&mut self, events: &ActiveEventLoop) {
        let (Some(window), Some(painter), Some(input)) = (&self.window, &mut self.painter, &mut self.input) else {
            return;
        };
        let start = Instant::now();
        let shown = self.shared.shown();
        let shown = shown.as_deref();
        let shown = shown.and_then(|shown| Some((shown, painter.texture(&shown.textures, shown.slot)?)));
        let mut controls = self.shared.controls();
        let source = self.place.to_string();
        let devices = &self.devices[controls.head];
        let devices = if devices.backbone == devices.head {
            format!("{}, {}", devices.head, devices.precision)
        } else {
            format!("backbone on {}, head on {}", devices.backbone, devices.head)
        };
        let (times, skipped) = self.shared.times();
        let mut view =
            View { source: &source, heads: &self.names, devices: &devices, shown, times, skipped, news: &self.news };
        let mut wishes = panel::Wishes::default();
        let output = self.context.run_ui(input.take_egui_input(window), |ui| {
            wishes = panel::show(ui, &mut view, &mut controls);
        });
        input.handle_platform_output(window, output.platform_output);
        self.shared.set_controls(controls);
        let delay = output.viewport_output.values().map(|viewport| viewport.repaint_delay).min();
        // Only what moves by itself asks for more; a frame draws anyway.
        self.redraw = delay.filter(|delay| *delay < Duration::from_secs(3600)).map(|delay| Instant::now() + delay);
        let primitives = self.context.tessellate(output.shapes, output.pixels_per_point);
        let drawing =
            Drawing { textures: output.textures_delta, primitives, pixels_per_point: output.pixels_per_point };
        // The renderer panics where the device is lost while it draws.
        let drawn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| painter.draw(drawing)));
        if let Err(panic) = drawn
            && painter.gpu().lost().is_none()
        {
            std::panic::resume_unwind(panic);
        }
        self.shared.add_time("window", start.elapsed());
        if wishes.save
            && let Some((shown, _)) = shown
        {
            match saving::save(&self.args.out, &source, shown) {
                Ok(path) => {
                    self.news = format!("Saved {}", path.display());
                    self.saved.push(path);
                }
                Err(failure) => self.fail(events, failure),
            }
        }
        if wishes.quit {
            events.exit();
        }
    }

    /// Lets things run or not, as the window can be seen or not.
    fn look_at_window(&mut self) {
        let Some(window) = &self.window else { return };
        let hidden = self.covered || window.is_minimized() == Some(true) || window.inner_size().width == 0;
        let mut controls = self.shared.controls();
        if controls.hidden == hidden {
            return;
        }
        controls.hidden = hidden;
        self.shared.set_controls(controls);
        tracing::info!("the window is {}", if hidden { "hidden" } else { "seen" });
        if !hidden {
            window.request_redraw();
        }
    }

    /// Whether the device is lost, which it says to who asks.
    fn is_lost(&self) -> bool {
        let Some(painter) = &self.painter else { return false };
        let gpu = painter.gpu();
        gpu.device().poll(wgpu::PollType::Poll).is_err() || gpu.lost().is_some()
    }
}

fn input(context: &egui::Context, window: &Window) -> egui_winit::State {
    let scale = Some(window.scale_factor() as f32);
    egui_winit::State::new(context.clone(), egui::ViewportId::ROOT, window, scale, None, None)
}

impl ApplicationHandler<Wake> for Live<'_> {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.window.is_some() {
            return;
        }
        let attributes = Window::default_attributes()
            .with_title(format!("sharekan live: {}", self.place))
            .with_inner_size(LogicalSize::new(1000.0, 600.0))
            .with_min_inner_size(LogicalSize::new(480.0, 320.0));
        match events.create_window(attributes) {
            Ok(window) => {
                let window = Arc::new(window);
                self.input = Some(input(&self.context, &window));
                self.window = Some(window);
            }
            Err(problem) => return self.fail(events, Failure::new(format!("no window can be opened here: {problem}"))),
        }
        if let Err(failure) = self.start() {
            self.fail(events, failure);
        }
        // Some systems show a window when it is first drawn.
        if let Some(window) = &self.window {
            window.request_redraw();
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let (Some(window), Some(input)) = (&self.window, &mut self.input) else { return };
        // To be drawn is no reason to be drawn again: the window would never rest, hidden or not.
        if !matches!(event, WindowEvent::RedrawRequested) && input.on_window_event(window, &event).repaint {
            window.request_redraw();
        }
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => events.exit(),
            WindowEvent::Occluded(covered) => {
                self.covered = covered;
                self.look_at_window();
            }
            WindowEvent::Resized(_) => {
                self.look_at_window();
                if let Some(painter) = &mut self.painter {
                    painter.resize();
                }
            }
            WindowEvent::RedrawRequested if !self.shared.controls().hidden && !self.is_lost() => self.draw(events),
            _ => (),
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, event: Wake) {
        if matches!(event, Wake::Frame)
            && let Some(window) = &self.window
        {
            window.request_redraw();
        }
        self.check(events);
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| now >= deadline) || self.stop.asked() {
            events.exit();
        }
        if self.loses.is_some_and(|time| now >= time)
            && let Some(painter) = &self.painter
        {
            self.loses = None;
            painter.gpu().device().destroy();
        }
        if self.is_lost() {
            self.shared.lose();
        }
        self.check(events);
        self.look_at_window();
        if let Some(window) = self.window.as_ref().filter(|_| self.redraw.is_some_and(|time| now >= time)) {
            self.redraw = None;
            window.request_redraw();
        }
        let next = [self.deadline, self.redraw, self.loses, Some(now + LOOK)];
        events.set_control_flow(next.into_iter().flatten().min().map_or(ControlFlow::Wait, ControlFlow::WaitUntil));
    }
}
