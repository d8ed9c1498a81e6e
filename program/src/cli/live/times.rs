//! Where the time of live frames goes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far back frames a second are counted.
const RECENT: Duration = Duration::from_secs(2);
/// How far back where there are no more than two frames.
const SLOW: Duration = Duration::from_secs(10);
/// Weight of the last frame in what the window shows.
const LAST: f64 = 0.1;

/// A stage of all frames so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) total: Duration,
    times: u64,
    /// Of the last frames, in milliseconds.
    pub(super) recent_ms: f64,
}

impl Stage {
    /// Of one time, in the mean.
    pub(super) fn mean_ms(&self) -> f64 {
        1e3 * self.total.as_secs_f64() / self.times.max(1) as f64
    }
}

/// The time of frames by stage.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    /// In the order in which they came first.
    pub(super) stages: Vec<Stage>,
    /// Frames that were looked at.
    pub(super) frames: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    recent: VecDeque<Instant>,
}

impl Times {
    /// Adds a frame that is done `now`.
    pub(super) fn add(&mut self, stages: &[(&'static str, Duration)], now: Instant) {
        stages.iter().for_each(|&(name, time)| self.add_to(name, time));
        self.frames += 1;
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.recent.push_back(now);
        self.forget(now);
    }

    /// Adds to one stage.
    pub(super) fn add_to(&mut self, name: &'static str, time: Duration) {
        let ms = 1e3 * time.as_secs_f64();
        match self.stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => {
                stage.total += time;
                stage.times += 1;
                stage.recent_ms += LAST * (ms - stage.recent_ms);
            }
            None => self.stages.push(Stage { name, total: time, times: 1, recent_ms: ms }),
        }
    }

    /// Frames a second of late.
    pub(super) fn rate_now(&mut self, now: Instant) -> f64 {
        self.forget(now);
        match (self.recent.front(), self.recent.len()) {
            (Some(&first), 2..) => (self.recent.len() - 1) as f64 / (now - first).as_secs_f64().max(1e-6),
            _ => 0.0,
        }
    }

    /// Frames a second from the first to the last one.
    pub(super) fn rate(&self) -> f64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) if self.frames > 1 => {
                (self.frames - 1) as f64 / (last - first).as_secs_f64().max(1e-6)
            }
            _ => 0.0,
        }
    }

    fn forget(&mut self, now: Instant) {
        let old = |first: &Instant, most| now.saturating_duration_since(*first) > most;
        // Of a slow detector the last two count for longer.
        while self.recent.front().is_some_and(|first| old(first, if self.recent.len() > 2 { RECENT } else { SLOW })) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_means_are_those_of_the_frames() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut times = Times::default();
        // Ten a second for 5 s; the second stage takes 2 ms, then 4 ms.
        for frame in 0..=50 {
            times.add(&[("read", ms(1)), ("detect", ms(if frame == 0 { 2 } else { 4 }))], start + ms(100 * frame));
        }
        assert!((times.rate() - 10.0).abs() < 1e-9);
        assert!((times.rate_now(start + ms(5000)) - 10.0).abs() < 1e-9);
        // Two frames are left, 4.1 s back.
        assert!((times.rate_now(start + ms(9000)) - 1.0 / 4.1).abs() < 1e-9);
        assert_eq!(times.rate_now(start + ms(19_000)), 0.0);
        let means: Vec<_> = times.stages.iter().map(|stage| (stage.name, stage.mean_ms())).collect();
        assert_eq!(means[0], ("read", 1.0));
        assert!((means[1].1 - 202.0 / 51.0).abs() < 1e-9);
        assert!(times.stages[1].recent_ms > 3.9);
    }
}
