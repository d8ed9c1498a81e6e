//! A report as comma-separated values, for spreadsheets.

use std::fmt::Write;

use super::{Noise, Report};

impl Report {
    /// A line of names and one of values for each row that was measured (RFC 4180, without fields that need quotes).
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "form,codebook,heads,batch,samples,device_us_median,device_us_q1,device_us_q3,device_us_min,device_us_max,\
             end_to_end_us_median,end_to_end_us_q1,end_to_end_us_q3,edge_samples_per_s,bytes,gb_per_s,copy_share,\
             on_chip_share,bound_us,bound_share,device_bytes,kernels,noise\r\n",
        );
        for row in &self.rows {
            let at = &row.configuration;
            let (device, end) = (&row.device_us, &row.end_to_end_us);
            let optional = |value: Option<String>| value.unwrap_or_default();
            let fields = [
                at.form.name().to_owned(),
                optional(at.codebook.map(|codewords| codewords.to_string())),
                at.heads.to_string(),
                at.batch.to_string(),
                device.samples.to_string(),
                device.median.to_string(),
                device.q1.to_string(),
                device.q3.to_string(),
                device.min.to_string(),
                device.max.to_string(),
                end.median.to_string(),
                end.q1.to_string(),
                end.q3.to_string(),
                row.edge_samples_per_s.to_string(),
                row.total_bytes.to_string(),
                row.gb_per_s.to_string(),
                row.copy_share.to_string(),
                optional(row.on_chip_share.map(|share| share.to_string())),
                row.bounds.largest_us().to_string(),
                row.bound_share.to_string(),
                optional(row.device_bytes.map(|bytes| bytes.to_string())),
                row.kernels.join("; "),
                row.noise.iter().copied().map(Noise::name).collect::<Vec<_>>().join("; "),
            ];
            // Writing to a string cannot fail.
            let _ = write!(text, "{}\r\n", fields.join(","));
        }
        text
    }
}
