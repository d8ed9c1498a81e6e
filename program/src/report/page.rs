//! What all pages have in common: one HTML document each, with nothing beside it but pictures.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::ReportError;
use super::canvas::{COLOURS, dash_attribute};
use super::plot::Plot;

const STYLE: &str = include_str!("page.css");

/// A page.
pub(crate) struct Page<'a> {
    /// The title of the window.
    pub(crate) title: &'a str,
    /// The command whose page it is, above the heading.
    pub(crate) kicker: &'a str,
    pub(crate) heading: Markup,
    /// A few sentences under the heading, and what else stands at the top.
    pub(crate) lead: Markup,
    pub(crate) top: Markup,
    pub(crate) body: Markup,
    pub(crate) footer: Markup,
}

impl Page<'_> {
    /// The whole document.
    pub(crate) fn into_html(self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p.kicker { (self.kicker) }
                        h1 { (self.heading) }
                        p.lead { (self.lead) }
                    }
                    (self.top)
                    main { (self.body) }
                    footer { (self.footer) }
                }
            }
        };
        page.into_string()
    }
}

/// A card with one number.
pub(crate) fn figure(value: impl Render, name: impl Render, note: impl Render) -> Markup {
    html! { div.figure { p.value { (value) } p.name { (name) } p.note { (note) } } }
}

/// A plot with its title and caption.
pub(crate) fn plot(title: &str, plot: &Plot<'_>, size: (u32, u32), caption: &str) -> Result<Markup, ReportError> {
    drawing(title, &plot.svg(size)?, caption)
}

/// Any drawing with its title and caption.
pub(super) fn drawing(title: &str, svg: &str, caption: &str) -> Result<Markup, ReportError> {
    Ok(html! {
        figure.plot {
            h3 { (title) }
            div.scroll role="img" aria-label=(title) { (PreEscaped(svg)) }
            figcaption { (caption) }
        }
    })
}

/// What curves are: number of the colour, number of the dashes, name.
pub(crate) fn legend(entries: impl IntoIterator<Item = (usize, usize, impl Render)>) -> Markup {
    html! {
        ul.legend {
            @for (colour, dashes, name) in entries {
                li {
                    svg viewBox="0 0 34 12" aria-hidden="true" {
                        line x1="1" y1="6" x2="33" y2="6" stroke-width="3"
                            stroke={ "var(--series-" (colour % COLOURS) ")" }
                            stroke-dasharray=(dash_attribute(dashes)) {}
                    }
                    (name)
                }
            }
        }
    }
}

/// A command whose lines break between words only.
pub(crate) fn command(command: &str) -> Markup {
    html! { code { @for word in command.split(' ') { span.word { (word) } " " } } }
}
