//! The thread that takes frames from where they are made.

use std::time::Instant;

use super::shared::{Frame, Shared};
use crate::video::{Ffmpeg, Place, Stop};

/// Hands frames on until there are no more or nobody wants any. A camera, a screen or an address is let go while nobody wants
/// frames, and opened again after that: what it gave meanwhile would be late.
pub(super) fn feed(place: &Place, shared: &Shared, stop: &Stop) {
    let result = frames(place, shared, stop).map_err(|problem| format!("{place}: {problem}"));
    shared.end(if stop.asked() { Ok(()) } else { result });
}

fn frames(place: &Place, shared: &Shared, stop: &Stop) -> Result<(), String> {
    let ffmpeg = Ffmpeg::find(stop).map_err(|problem| problem.to_string())?;
    let live = place.is_live();
    let mut number = 0;
    while shared.wait_until_wanted() {
        let mut reader = place.open(&ffmpeg, stop).map_err(|problem| problem.to_string())?;
        let size = reader.size();
        loop {
            if live && !shared.controls().runs() {
                break;
            }
            let (mut pixels, start) = (shared.spare(), Instant::now());
            let Some(seconds) = reader.next_into(&mut pixels) else {
                let (frames, verdict) = reader.finish();
                return match verdict {
                    Err(problem) => Err(problem.to_string()),
                    Ok(()) if live && !stop.asked() => Err(format!("gives no more after {frames} frames")),
                    Ok(()) => Ok(()),
                };
            };
            let came = Instant::now();
            let frame = Frame { pixels, size, seconds, number, came, reading: came - start };
            number += 1;
            if !shared.offer(frame, live) {
                return Ok(());
            }
        }
    }
    Ok(())
}
