//! The page that compares both heads. It stands alone but for the pictures beside it.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use sharekan::detect::{Detection, class_colour};
use sharekan::head::DetectionHead;

use super::HEAD_FILE;
use super::measure::{ImageFacts, SAME_OVERLAP, Summary};
use crate::cli::detect::counts;
use crate::cli::table::{count, list, size};

const STYLE: &str = include_str!("page.css");

pub(super) fn render(summary: &Summary, settings: &DetectionHead) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "sharekan: blood cells, found by a head " (format!("{:.0}", summary.ratio)) " times smaller" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "sharekan demonstration" }
                    h1 { "The same cells, found by a head " (format!("{:.1}", summary.ratio)) " times smaller" }
                    p.lead {
                        "A detection head made of Kolmogorov-Arnold layers was compressed after training, in "
                        (format!("{:.1}", summary.compile_seconds))
                        " seconds, without data: every edge's spline became an index into a shared codebook and a gain."
                    }
                }
                (figures(summary))
                main {
                    section {
                        h2 { "Side by side" }
                        p { (legend(settings)) "Boxes with a score of at least 0.3; weak ones are drawn faintly." }
                        @for image in &summary.images { (pair(image, settings)) }
                    }
                    (layers(summary))
                    (checks(summary))
                    (next())
                }
                footer {
                    "Images: BCCD data set (MIT). Backbone: EfficientNet-Lite0 (Apache-2.0), features on the CPU, head on "
                    (summary.device) "."
                }
            }
        }
    };
    page.into_string()
}

fn figures(summary: &Summary) -> Markup {
    let boxes = &summary.boxes;
    let figure = |value: String, name: &str, note: String| {
        html! { div.figure { p.value { (value) } p.name { (name) } p.note { (note) } } }
    };
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
                "the compressed head's outputs against those of the dense one".into(),
            ))
            (figure(
                format!("{} ms", milliseconds(summary.mean(|image| image.compressed_time))),
                "compressed head, an image",
                format!(
                    "dense {} ms, backbone {} ms; heads on {}",
                    milliseconds(summary.mean(|image| image.dense_time)),
                    milliseconds(summary.mean(|image| image.backbone_time)),
                    summary.device
                ),
            ))
        }
    }
}

fn milliseconds(time: Duration) -> String {
    let time = 1e3 * time.as_secs_f64();
    if time < 100.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

fn legend(settings: &DetectionHead) -> Markup {
    html! {
        @for (class, name) in settings.classes.iter().enumerate() {
            @let [r, g, b] = class_colour(class).0;
            span.class style=(format!("--colour: rgb({r} {g} {b})")) { (name) }
        }
    }
}

fn pair(image: &ImageFacts, settings: &DetectionHead) -> Markup {
    let (width, height) = image.size;
    let picture = |source: &str, head: &str, found: &[Detection], time: Duration| {
        let caption = counts(found, &settings.classes);
        html! {
            figure {
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
        ("Try a larger codebook", "compile assets/heads/bccd.safetensors -o k1024.safetensors --codebook 1024".into()),
        ("List the adapters of this machine", "adapters".into()),
    ];
    html! {
        section {
            h2 { "What to try next" }
            dl {
                @for (what, command) in steps {
                    dt { (what) }
                    dd { code { "cargo run --release -- " (command) } }
                }
            }
        }
    }
}
