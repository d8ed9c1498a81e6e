//! Comma-separated values, for spreadsheets.

use serde::Serialize;

use super::ReportError;

/// A line of the names of the fields and a line a row (RFC 4180); nothing at all without rows.
///
/// # Errors
/// Where a row is no flat structure.
pub(crate) fn csv(rows: impl IntoIterator<Item = impl Serialize>) -> Result<String, ReportError> {
    let failed = |problem: &dyn std::fmt::Display| ReportError::Csv(problem.to_string());
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|problem| failed(&problem))?;
    }
    let bytes = writer.into_inner().map_err(|problem| failed(&problem))?;
    String::from_utf8(bytes).map_err(|problem| failed(&problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        name: &'static str,
        value: Option<f64>,
    }

    #[test]
    fn fields_are_named_and_quoted_where_they_must_be() {
        let rows = [Row { name: "a, b", value: Some(0.5) }, Row { name: "c \"d\"", value: None }];
        assert_eq!(csv(rows).unwrap(), "name,value\r\n\"a, b\",0.5\r\n\"c \"\"d\"\"\",\r\n");
    }
}
