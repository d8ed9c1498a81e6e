//! The page that compares both heads. It stands alone but for the pictures beside it.

use std::time::Duration;

use maud::{Markup, html};
use sharekan::detect::{Detection, class_colour};
use sharekan::head::DetectionConfig;

use super::HEAD_FILE;
use super::measure::{ImageFacts, SAME_OVERLAP, SHOWN_SCORE, Summary};
use crate::cli::detect::counts;
use crate::pipeline::section;
use crate::report::table::{count, list, size};
use crate::report::{Page, figure};

pub(super) fn render(summary: &Summary, settings: &DetectionConfig) -> String {
    let boxes = &summary.boxes;
    let page = Page {
        title: &format!("sharekan: blood cells, found by a head {:.0} times smaller", summary.ratio),
        kicker: "sharekan demonstration",
        heading: html! {
            "Blood cells in " (summary.images.len()) " images, found by the original head and by one "
            (format!("{:.0}", summary.ratio)) " times smaller: " (boxes.same) " of "
            (boxes.reference.max(boxes.candidate)) " boxes are the same"
        },
        lead: html! {
            "Left, what a detection head made of Kolmogorov-Arnold layers finds; right, what is found after it was "
            "compressed, in " (format!("{:.1}", summary.compile_seconds)) " seconds and without training: every "
            "edge's spline became an index into a shared codebook and a gain, chosen on a few other images."
        },
        top: html! {},
        body: html! {
            section {
                h2 { "Side by side" }
                p { (legend(settings)) "Boxes with a score of at least " (SHOWN_SCORE) "." }
                @for image in &summary.images { (pair(image, settings)) }
            }
            (figures(summary))
            (section(&summary.times))
            (layers(summary))
            (checks(summary))
            (next())
        },
        footer: html! {
            "Images: BCCD data set (MIT). Backbone: EfficientNet-Lite0 (Apache-2.0), on " (summary.backbone_device)
            ", head on " (summary.device) "."
        },
    };
    page.into_html()
}

fn figures(summary: &Summary) -> Markup {
    let boxes = &summary.boxes;
    html! {
        section.figures {
            (figure(
                size(summary.compressed_bytes),
                "compressed head, the whole file",
                format!("{} of dense weights", size(summary.dense_bytes)),
            ))
            (figure(
                format!("{:.1} %", 100.0 * boxes.share()),
                "of the boxes are the same",
                format!(
                    "{} dense, {} compressed, {} in both: same class, overlap at least {SAME_OVERLAP}",
                    boxes.reference, boxes.candidate, boxes.same
                ),
            ))
            (figure(
                summary.snr.map_or_else(|| "-".into(), |snr| format!("{snr:.1} dB")),
                "output signal to noise",
                "the compressed head's outputs against those of the dense one",
            ))
            (figure(
                format!("{} ms", milliseconds(summary.mean(|image| image.compressed_time))),
                "compressed head, an image",
                format!(
                    "dense {} ms, backbone {} ms; heads on {}, backbone on {}",
                    milliseconds(summary.mean(|image| image.dense_time)),
                    milliseconds(summary.mean(|image| image.backbone_time)),
                    summary.device,
                    summary.backbone_device
                ),
            ))
        }
    }
}

fn milliseconds(time: Duration) -> String {
    let time = 1e3 * time.as_secs_f64();
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

fn legend(settings: &DetectionConfig) -> Markup {
    html! {
        @for (class, name) in settings.classes.iter().enumerate() {
            @let [r, g, b] = class_colour(class);
            span.class style=(format!("--colour: rgb({r} {g} {b})")) { (name) }
        }
    }
}

fn pair(image: &ImageFacts, settings: &DetectionConfig) -> Markup {
    let (width, height) = image.size;
    let picture = |source: &str, head: &str, found: &[Detection], time: Duration| {
        let caption = counts(found, &settings.classes);
        html! {
            figure.picture {
                a href=(source) {
                    img src=(source) width=(width) height=(height) loading="lazy"
                        alt={ (image.name) ", " (head) " head: " (caption) };
                }
                figcaption { strong { (head) } ": " (caption) span.time { (milliseconds(time)) " ms" } }
            }
        }
    };
    html! {
        article {
            h3 {
                (image.name)
                small {
                    (image.boxes.same) " boxes the same, backbone " (milliseconds(image.backbone_time)) " ms"
                }
            }
            div.pair {
                (picture(&image.dense_picture, "dense", &image.dense, image.dense_time))
                (picture(&image.compressed_picture, "compressed", &image.compressed, image.compressed_time))
            }
        }
    }
}

fn layers(summary: &Summary) -> Markup {
    html! {
        section {
            h2 { "What was compressed" }
            div.scroll { table {
                thead { tr {
                    th { "layer" } th { "edges" } th { "codewords" } th { "dense bytes" } th { "compressed bytes" }
                    th { "ratio" } th { "R2" }
                } }
                tbody {
                    @for (at, layer) in summary.report.layers.iter().enumerate() {
                        tr {
                            td { (at) ": " (layer.inputs) " to " (layer.outputs) }
                            td { (count(layer.edges)) }
                            td { (count(layer.codewords)) }
                            td { (count(layer.dense_bytes)) }
                            td { (count(layer.compressed_bytes)) }
                            td { (format!("{:.1}", layer.ratio)) }
                            td { (format!("{:.4}", layer.r2)) }
                        }
                    }
                }
                tfoot { tr {
                    td { "whole file" } td {} td {}
                    td { (count(summary.dense_bytes)) }
                    td { (count(summary.compressed_bytes)) }
                    td { (format!("{:.1}", summary.ratio)) }
                    td {}
                } }
            } }
        }
    }
}

fn checks(summary: &Summary) -> Markup {
    html! {
        section {
            h2 { "GPU against CPU" }
            @match &summary.check {
                None => p { "No graphics adapter was used: everything ran on the CPU." }
                Some(check) => {
                    p {
                        "Every kernel ran on " strong { (check.adapter) }
                        @if summary.software { ", an adapter in software," }
                        " and was held against the CPU reference. Errors are in parts of the largest output; 0 means the "
                        "same bits."
                        @if summary.device == "CPU" { " The pictures above were made by the CPU path, which is faster." }
                    }
                    div.scroll { table {
                        thead { tr { th { "kernel" } th { "rows" } th { "largest error" } th { "allowed" } th { "result" } } }
                        tbody {
                            @for kernel in check.checks.chunk_by(|a, b| a.kernel == b.kernel) {
                                @let largest = kernel.iter().map(|check| check.error).fold(0.0, f64::max);
                                tr {
                                    td { (kernel[0].kernel) }
                                    td { (list(kernel.iter().map(|check| check.rows))) }
                                    td { (error(largest)) }
                                    td { (error(kernel[0].tolerance)) }
                                    @if kernel.iter().all(|check| check.passed) { td.pass { "pass" } }
                                    @else { td.fail { "FAIL" } }
                                }
                            }
                        }
                    } }
                }
            }
        }
    }
}

fn error(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}") }
}

fn next() -> Markup {
    let steps = [
        ("Find cells in images of your own", format!("detect demo-out/{HEAD_FILE} IMAGE... --out found")),
        ("See what the compressed file holds", format!("inspect demo-out/{HEAD_FILE}")),
        ("Compress a head of your own", "compile head.safetensors -o small.safetensors".into()),
        (
            "Make the bundled head smaller still",
            "compile assets/heads/bccd.safetensors -o k16.safetensors --codebook 16 --gain-bits 4 --calibrate assets/calibration"
                .into(),
        ),
        ("List the adapters of this machine", "adapters".into()),
    ];
    html! {
        section {
            h2 { "What to try next" }
            ol.steps {
                @for (what, command) in steps {
                    li { (what) code { "cargo run --release -- " (command) } }
                }
            }
        }
    }
}
