//! What is in the window: the picture with its boxes, and beside it figures and controls.

use std::time::Instant;

use egui::{Align2, Color32, FontId, Key, Rect, RichText, StrokeKind, TextureId, Ui, Vec2, pos2, vec2};
use sharekan::detect::class_colour;

use super::shared::{Controls, Shown};
use super::times::Times;

/// Width of the controls, in points.
const WIDTH: f32 = 240.0;

/// What is shown.
pub(super) struct View<'a> {
    pub(super) source: &'a str,
    /// Names of the heads that can look.
    pub(super) heads: &'a [String],
    /// Where they run.
    pub(super) devices: &'a str,
    pub(super) shown: Option<(&'a Shown, TextureId)>,
    pub(super) times: Times,
    pub(super) skipped: u64,
    /// What was last worth a line.
    pub(super) news: &'a str,
}

/// What the user wants beside what the controls say.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) save: bool,
    pub(super) quit: bool,
}

/// Lays out and handles the whole window.
pub(super) fn show(ui: &mut Ui, view: &mut View<'_>, controls: &mut Controls) -> Wishes {
    let mut wishes = keys(ui, view, controls);
    egui::Panel::right("controls").exact_size(WIDTH).resizable(false).show(ui, |ui| {
        egui::ScrollArea::vertical().show(ui, |ui| {
            ui.add_space(6.0);
            figures(ui, view);
            ui.separator();
            sliders(ui, view, controls);
            ui.separator();
            ui.horizontal(|ui| {
                let pause = if controls.paused { "Go on" } else { "Pause" };
                if ui.button(pause).on_hover_text("space").clicked() {
                    controls.paused = !controls.paused;
                }
                let save = ui.add_enabled(view.shown.is_some(), egui::Button::new("Save"));
                wishes.save |= save.on_hover_text("s: picture and JSON").clicked();
            });
            if !view.news.is_empty() {
                ui.add_space(6.0);
                ui.label(view.news);
            }
        });
    });
    egui::CentralPanel::default()
        .frame(egui::Frame::NONE.fill(Color32::from_gray(16)))
        .show(ui, |ui| picture(ui, view));
    wishes
}

fn keys(ui: &Ui, view: &View<'_>, controls: &mut Controls) -> Wishes {
    let pressed = |key| ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, key));
    if pressed(Key::Space) {
        controls.paused = !controls.paused;
    }
    if pressed(Key::Tab) {
        controls.head = (controls.head + 1) % view.heads.len().max(1);
    }
    Wishes { save: pressed(Key::S) && view.shown.is_some(), quit: pressed(Key::Q) }
}

fn figures(ui: &mut Ui, view: &mut View<'_>) {
    let rate = view.times.rate_now(Instant::now());
    let digits = if rate < 1.0 { 2 } else { 1 };
    ui.label(RichText::new(format!("{rate:.digits$} frames a second")).size(20.0));
    ui.label(view.source);
    if let Some((shown, _)) = view.shown {
        let [width, height] = shown.frame.size;
        ui.label(format!("{width}x{height}, frame {}, {:.2} s", shown.frame.number, shown.frame.seconds));
    }
    if view.skipped > 0 {
        ui.label(format!("{} left out", view.skipped));
    }
    ui.label(RichText::new(view.devices).weak());
    ui.separator();
    // A grid would ask to be drawn again whenever a figure's width changes, as the window's own does with every drawing.
    for stage in &view.times.stages {
        ui.horizontal(|ui| {
            ui.label(stage.name);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(format!("{:.2} ms", stage.recent_ms));
            });
        });
    }
}

fn sliders(ui: &mut Ui, view: &View<'_>, controls: &mut Controls) {
    ui.label("Lowest score");
    ui.add(egui::Slider::new(&mut controls.score, 0.0..=1.0).fixed_decimals(2));
    ui.label("Overlap of one class (NMS)");
    ui.add(egui::Slider::new(&mut controls.nms, 0.0..=1.0).fixed_decimals(2));
    if view.heads.len() > 1 {
        ui.label("Head");
        for (at, name) in view.heads.iter().enumerate() {
            ui.radio_value(&mut controls.head, at, name).on_hover_text("tab: the next one");
        }
    }
}

fn picture(ui: &mut Ui, view: &View<'_>) {
    let room = ui.max_rect();
    let Some((shown, texture)) = view.shown else {
        let text = format!("Waiting for {}", view.source);
        ui.painter().text(room.center(), Align2::CENTER_CENTER, text, FontId::proportional(18.0), Color32::GRAY);
        return;
    };
    let [width, height] = shown.frame.size.map(|side| side as f32);
    let place = fit(room, vec2(width, height));
    let painter = ui.painter_at(room);
    painter.image(texture, place, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
    let scale = place.width() / width;
    // The strongest on top.
    for detection in shown.detections.iter().rev() {
        let [left, top, right, bottom] = detection.bounds.to_array().map(|edge| edge * scale);
        let bounds = Rect::from_min_max(place.min + vec2(left, top), place.min + vec2(right, bottom));
        let colour = class_colour(detection.class);
        let [r, g, b] = colour;
        let colour = Color32::from_rgb(r, g, b);
        painter.rect_stroke(bounds, 0.0, (2.0, colour), StrokeKind::Middle);
        let name = shown.classes.get(detection.class).map_or("?", String::as_str);
        let text = format!("{name} {:.0}", 100.0 * detection.score);
        let ink = if luminance([r, g, b]) > 0.36 { Color32::BLACK } else { Color32::WHITE };
        let text = painter.layout_no_wrap(text, FontId::proportional(12.0), ink);
        let label = text.size() + Vec2::new(6.0, 2.0);
        // Above the box, or inside it where there is no room.
        let above = bounds.min - vec2(1.0, label.y);
        let corner = if above.y >= place.min.y { above } else { bounds.min - vec2(1.0, 0.0) };
        painter.rect_filled(Rect::from_min_size(corner, label), 0.0, colour);
        painter.galley(corner + vec2(3.0, 1.0), text, ink);
    }
}

/// The largest rectangle of a shape in the middle of another.
fn fit(room: Rect, size: Vec2) -> Rect {
    let scale = (room.width() / size.x).min(room.height() / size.y).max(0.0);
    Rect::from_center_size(room.center(), size * scale)
}

fn luminance(colour: [u8; 3]) -> f32 {
    let [r, g, b] = colour.map(|value| (f32::from(value) / 255.0).powf(2.2));
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use egui::{Event, Modifiers, PointerButton, Pos2, RawInput};

    use super::*;
    use crate::cli::live::painter;
    use crate::cli::live::shared::Frame;

    /// A window, and what its user does there.
    struct Window {
        context: egui::Context,
        controls: Controls,
        shown: Shown,
        /// Texts and where they were drawn.
        texts: Vec<(String, Pos2)>,
    }

    impl Window {
        fn new() -> Self {
            let (came, reading) = (Instant::now(), Duration::ZERO);
            let frame = Frame { pixels: vec![], size: [640, 480], seconds: 0.5, number: 15, came, reading };
            let (detections, records, classes) = (vec![], vec![], Arc::default());
            let shown =
                Shown { frame: Arc::new(frame), textures: Arc::default(), slot: 0, detections, records, classes };
            let controls = Controls { score: 0.3, nms: 0.5, head: 0, paused: false, hidden: false };
            let mut window = Self { context: painter::context(), controls, shown, texts: Vec::new() };
            // Places are known after the first time.
            window.pass(vec![]);
            window.pass(vec![]);
            window
        }

        fn pass(&mut self, events: Vec<Event>) -> Wishes {
            let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, vec2(1000.0, 600.0)));
            let input = RawInput { screen_rect, events, ..Default::default() };
            let heads = ["small", "dense"].map(str::to_owned);
            let mut view = View {
                source: "camera 0",
                heads: &heads,
                devices: "a device",
                shown: Some((&self.shown, TextureId::User(0))),
                times: Times::default(),
                skipped: 0,
                news: "",
            };
            let mut wishes = Wishes::default();
            let mut controls = self.controls;
            let output = self.context.run_ui(input, |ui| wishes = show(ui, &mut view, &mut controls));
            self.controls = controls;
            let texts = output.shapes.iter().filter_map(|shape| match &shape.shape {
                egui::Shape::Text(text) => Some((text.galley.text().to_owned(), text.visual_bounding_rect().center())),
                _ => None,
            });
            self.texts = texts.collect();
            wishes
        }

        fn press(&mut self, key: Key) -> Wishes {
            let event =
                |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE };
            let wishes = self.pass(vec![event(true)]);
            self.pass(vec![event(false)]);
            wishes
        }

        fn click(&mut self, pos: Pos2) -> Wishes {
            let button = |pressed| Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            };
            self.pass(vec![Event::PointerMoved(pos)]);
            self.pass(vec![button(true)]);
            let wishes = self.pass(vec![button(false)]);
            self.pass(vec![]);
            wishes
        }

        fn text(&self, wanted: &str) -> Pos2 {
            let found = self.texts.iter().find(|(text, _)| text == wanted);
            found.unwrap_or_else(|| panic!("{wanted} is not in {:?}", self.texts)).1
        }
    }

    #[test]
    fn keys_do_what_is_promised() {
        let mut window = Window::new();
        assert_eq!(window.press(Key::S), Wishes { save: true, quit: false });
        assert_eq!(window.press(Key::Q), Wishes { save: false, quit: true });
        window.press(Key::Space);
        assert!(window.controls.paused);
        window.press(Key::Tab);
        assert_eq!(window.controls.head, 1);
        window.press(Key::Tab);
        window.press(Key::Space);
        assert_eq!((window.controls.head, window.controls.paused), (0, false));
    }

    #[test]
    fn buttons_and_sliders_set_what_they_name() {
        let mut window = Window::new();
        assert!(window.click(window.text("Save")).save);
        window.click(window.text("Pause"));
        assert!(window.controls.paused);
        window.click(window.text("Go on"));
        assert!(!window.controls.paused);
        window.click(window.text("dense"));
        assert_eq!(window.controls.head, 1);
        // The slider begins below its title, at the same left edge.
        let title = window.text("Lowest score");
        window.click(pos2(775.0, title.y + 20.0));
        assert!(window.controls.score < 0.3, "{}", window.controls.score);
        assert_eq!(window.controls.nms, 0.5);
    }

    #[test]
    fn a_picture_fills_the_room_in_its_own_shape() {
        let room = Rect::from_min_size(pos2(10.0, 0.0), vec2(200.0, 100.0));
        assert_eq!(fit(room, vec2(50.0, 50.0)), Rect::from_min_size(pos2(60.0, 0.0), vec2(100.0, 100.0)));
        assert_eq!(fit(room, vec2(400.0, 100.0)), Rect::from_min_size(pos2(10.0, 25.0), vec2(200.0, 50.0)));
    }
}
