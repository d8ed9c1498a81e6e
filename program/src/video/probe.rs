//! What a video says of itself.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::Process;
use super::reader::input;
use super::stop::Stop;

/// Frames a second as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

impl Rate {
    /// Reads `30000/1001`; `None` where it is no rate of a video.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (numerator, denominator) = text.trim().split_once('/')?;
        let rate = Self { numerator: numerator.parse().ok()?, denominator: denominator.parse().ok()? };
        (rate.denominator > 0 && (0.01..=1000.0).contains(&rate.a_second())).then_some(rate)
    }

    pub(crate) fn a_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

/// What `ffprobe` tells; nothing where there is none, or it tells nothing.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Probe {
    pub(super) rate: Option<Rate>,
    /// Frames by the container's own count.
    pub(super) counted: Option<u64>,
    /// Seconds.
    pub(super) duration: Option<f64>,
}

impl Probe {
    pub(super) fn of(path: &Path, stop: &Stop) -> Self {
        let mut command = Command::new("ffprobe");
        command.args(["-hide_banner", "-loglevel", "quiet", "-select_streams", "v:0"]);
        command.args(["-show_entries", "stream=r_frame_rate,avg_frame_rate,nb_frames,duration:format=duration"]);
        command.args(["-print_format", "default=noprint_wrappers=1"]).args(input(path));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut text = Vec::new();
        if let Ok(process) = Process::start("ffprobe", command, stop, None, |_| ()) {
            let Some(out) = process.stdout() else { return Self::default() };
            // What could not be read is not known.
            let _ = out.take(1 << 16).read_to_end(&mut text);
        }
        Self::read(&String::from_utf8_lossy(&text))
    }

    fn read(text: &str) -> Self {
        let values = |wanted: &'static str| {
            let of = move |line: &str| {
                line.trim().split_once('=').filter(|(key, _)| *key == wanted).map(|(_, v)| v.to_owned())
            };
            text.lines().filter_map(of).collect::<Vec<_>>()
        };
        let rate = |key| values(key).iter().find_map(|text| Rate::read(text));
        let (mean, base): (Option<Rate>, Option<Rate>) = (rate("avg_frame_rate"), rate("r_frame_rate"));
        // The mean is rounded to the container's clock; where frames are even, the other is exact.
        let rate = match (mean, base) {
            (Some(mean), Some(base)) if (mean.a_second() / base.a_second() - 1.0).abs() > 0.01 => Some(mean),
            (mean, base) => base.or(mean),
        };
        Self {
            rate,
            counted: values("nb_frames").iter().find_map(|text| text.parse().ok()).filter(|&frames| frames > 0),
            duration: values("duration")
                .iter()
                .filter_map(|text| text.parse().ok())
                .find(|&seconds: &f64| seconds > 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let text = "r_frame_rate=30000/1001\navg_frame_rate=2997/100\nduration=N/A\nnb_frames=N/A\nduration=2.5\n";
        let ntsc = Some(Rate { numerator: 30000, denominator: 1001 });
        assert_eq!(Probe::read(text), Probe { rate: ntsc, counted: None, duration: Some(2.5) });
        // Uneven frames: the base is that of the clock.
        let uneven = Probe::read("r_frame_rate=1000/1\r\navg_frame_rate=25/2\r\nnb_frames=50\r\nduration=4.0\r\n");
        assert_eq!(
            uneven,
            Probe { rate: Some(Rate { numerator: 25, denominator: 2 }), counted: Some(50), duration: Some(4.0) }
        );
        let none = Probe::read("r_frame_rate=0/0\navg_frame_rate=90000/1\nnb_frames=0\nduration=-3\nbad\n");
        assert_eq!(none, Probe::default());
    }
}
