//! Where a frame's time goes, on a page.

use maud::{Markup, html};

use super::{GpuTimes, PipelineTimes, Stage};
use crate::report::table::{list, size};
use crate::report::{Page, command, figure, significant};

/// The page of `bench --pipeline`.
pub(crate) fn page(times: &PipelineTimes, typed: &str, date: &str) -> String {
    let title = match &times.gpu {
        Some(gpu) => format!("Where a frame's time goes: {} and the CPU", gpu.device),
        None => "Where a frame's time goes: the CPU".into(),
    };
    let page = Page {
        title: &title,
        kicker: "sharekan bench --pipeline",
        heading: html! { (title) },
        lead: html! { (lead(times)) },
        top: html! {
            @if let Some(gpu) = &times.gpu {
                @if gpu.software {
                    p.warning {
                        strong { (gpu.device) " is an adapter in software." }
                        " It shows that the kernels are right, not how fast they are."
                    }
                }
                (figures(times, gpu))
            }
        },
        body: html! { section { h2 { "Stages" } (table(times)) } },
        footer: html! { (command(typed)) ", " (date) ", sharekan " (env!("CARGO_PKG_VERSION")) },
    };
    page.into_html()
}

/// The same as a section of another page.
pub(crate) fn section(times: &PipelineTimes) -> Markup {
    html! {
        section {
            h2 { "Where a frame's time goes" }
            p { (lead(times)) }
            (table(times))
        }
    }
}

fn lead(times: &PipelineTimes) -> String {
    let PipelineTimes { image, backbone, input: [across, down], head, notes, .. } = times;
    let mut text = format!(
        "{} of {} x {} pixels through {backbone} at {across} x {down} and {head}; medians.",
        image.file, image.width, image.height
    );
    if !notes.is_empty() {
        text.push_str(&format!(" Note: {}.", list(notes)));
    }
    text
}

fn figures(times: &PipelineTimes, gpu: &GpuTimes) -> Markup {
    let milliseconds = |time: f64| format!("{} ms", significant(time));
    html! {
        section.figures {
            (figure(
                milliseconds(gpu.texture_ms),
                "from a texture to boxes",
                format!("{} from pixels in the host's memory; CPU alone {}", milliseconds(gpu.frame_ms), milliseconds(times.cpu.frame_ms)),
            ))
            (figure(
                significant(gpu.frames_per_second),
                "frames a second",
                format!("{} on their way at once, from pixels in the host's memory", gpu.in_flight),
            ))
            @if let Some(time) = gpu.device_ms {
                (figure(milliseconds(time), "on the device", "from pixels there to candidates, in one pass"))
            }
            (figure(size(gpu.device_bytes), "of device memory", "all buffers"))
        }
    }
}

fn table(times: &PipelineTimes) -> Markup {
    let cell = |time: Option<f64>| time.map_or_else(String::new, significant);
    let of_gpu = |stage: &Stage| {
        let host = if stage.on_host { " (host)" } else { "" };
        stage.gpu_ms.map_or_else(String::new, |time| format!("{}{host}", significant(time)))
    };
    html! {
        div.scroll { table {
            thead { tr {
                th { "stage, ms" } th { (times.cpu.device) }
                @if let Some(gpu) = &times.gpu { th { (gpu.device) } }
            } }
            tbody {
                @for stage in &times.stages {
                    tr {
                        td { (stage.title()) }
                        td { (cell(stage.cpu_ms)) }
                        @if times.gpu.is_some() { td { (of_gpu(stage)) } }
                    }
                }
            }
            tfoot { tr {
                td { "pixels to boxes" }
                td { (significant(times.cpu.frame_ms)) }
                @if let Some(gpu) = &times.gpu { td { (significant(gpu.frame_ms)) } }
            } }
        } }
        @if times.gpu.is_some() {
            p {
                "What the host does is by its clock, the rest by the device's timestamps, each stage in a pass of its own; "
                "together they run faster."
            }
        }
    }
}
