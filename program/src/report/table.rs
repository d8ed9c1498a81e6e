//! Tables that fit 80 columns.

use std::fmt::Display;

use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{DecimalBytes, HumanCount};

use crate::cli::plain::plain;
use crate::cli::screen::colours_allowed;

/// How the cells of a column stand.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table without rows. A line break in a heading makes the heading two lines high.
pub(crate) fn table<const N: usize>(columns: [(&str, Align); N]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-')));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.map(|(name, _)| heading(name)));
    for (at, (_, align)) in columns.into_iter().enumerate() {
        if let Some(column) = table.column_mut(at) {
            column.set_padding((0, if at + 1 < N { 2 } else { 0 }));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
    }
    table
}

fn heading(name: &str) -> Cell {
    let cell = Cell::new(name);
    if colours_allowed() { cell.add_attribute(Attribute::Bold) } else { cell }
}

/// Names and values below each other, long values wrapped; what a terminal would act on is escaped.
pub(crate) fn fields<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(80).force_no_tty();
    for (name, value) in values {
        table.add_row([name.to_owned(), plain(value)]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((2, 2)).set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt()
}

/// A number with its thousands apart: `15,679,488`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    HumanCount(number.try_into().unwrap_or(u64::MAX)).to_string()
}

/// A size in decimal units: `15.68 MB`.
pub(crate) fn size(bytes: impl TryInto<u64>) -> String {
    DecimalBytes(bytes.try_into().unwrap_or(u64::MAX)).to_string()
}

/// Items with commas between them, or `none`; what a terminal would act on is escaped.
pub(crate) fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(plain).collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}
