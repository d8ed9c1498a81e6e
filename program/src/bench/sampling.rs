//! The order in which samples are taken.
//!
//! One visit to each configuration in turn, back and forth, until each has its samples or its time is up: a device that
//! slows down or speeds up meanwhile does so for all of them.

use super::BenchError;

/// Time of a visit that is aimed at, in seconds: long enough that a device keeps its clock rate.
const VISIT: f64 = 0.02;
/// Visits that a configuration's samples are spread over at least.
const ROUNDS: usize = 8;
/// Time that each configuration is warmed up for, in seconds, and in parts of its budget.
const WARM_UP: f64 = 0.25;
const WARM_UP_PART: f64 = 0.25;

/// What is measured.
pub(super) trait Subject {
    /// Evaluates about so many times.
    fn visit(&mut self, recordings: usize) -> Result<Visit, BenchError>;

    /// True where a visit gives one sample, whatever the number of evaluations.
    fn one_sample_a_visit(&self) -> bool;
}

/// What a visit found, all in seconds.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// Device time of evaluations.
    pub(super) device: Vec<f64>,
    /// From host slice to host slice.
    pub(super) end_to_end: Vec<f64>,
    /// Whole time of the visit.
    pub(super) seconds: f64,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Samples of device time a configuration.
    pub(super) samples: usize,
    /// Seconds a configuration.
    pub(super) seconds: f64,
}

/// All samples of a configuration, in seconds, in the order in which they were taken.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples {
    pub(super) device: Vec<f64>,
    pub(super) end_to_end: Vec<f64>,
    seconds: f64,
}

impl Samples {
    /// Part of the work that is done, 0 to 1.
    fn done(&self, budget: Budget) -> f64 {
        let samples = self.device.len() as f64 / budget.samples.max(1) as f64;
        if self.device.is_empty() { 0.0 } else { samples.max(self.seconds / budget.seconds).min(1.0) }
    }
}

/// Takes all samples. `progress` gets the part of the work that is done, 0 to 1.
pub(super) fn interleave(
    subjects: &mut [impl Subject],
    budget: Budget,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<Samples>, BenchError> {
    let mut recordings = Vec::with_capacity(subjects.len());
    for subject in subjects.iter_mut() {
        recordings.push(warm_up(subject, budget)?);
    }
    let mut all = vec![Samples::default(); subjects.len()];
    for round in 0.. {
        let mut visited = false;
        for at in 0..subjects.len() {
            let at = if round % 2 == 0 { at } else { subjects.len() - 1 - at };
            if all[at].done(budget) >= 1.0 {
                continue;
            }
            visited = true;
            let visit = subjects[at].visit(recordings[at])?;
            let samples = &mut all[at];
            let missing = budget.samples - samples.device.len();
            samples.device.extend(visit.device.into_iter().take(missing));
            samples.end_to_end.extend(visit.end_to_end);
            // A clock that stands still must not keep this going.
            samples.seconds += visit.seconds.max(1e-6);
            progress(all.iter().map(|samples| samples.done(budget)).sum::<f64>() / all.len() as f64);
        }
        if !visited {
            break;
        }
    }
    Ok(all)
}

/// Evaluates for a while, and gives the number of evaluations that make a visit.
fn warm_up(subject: &mut impl Subject, budget: Budget) -> Result<usize, BenchError> {
    let enough = (budget.seconds * WARM_UP_PART).min(WARM_UP);
    let (mut spent, mut recordings) = (0.0, 1);
    loop {
        let visit = subject.visit(recordings)?;
        let fastest = visit.device.iter().copied().fold(f64::INFINITY, f64::min);
        let estimate = if fastest.is_finite() { fastest.max(1e-7) } else { visit.seconds.max(1e-7) };
        recordings = ((VISIT / estimate) as usize).clamp(1, super::timer::MAX_RECORDINGS);
        if !subject.one_sample_a_visit() {
            recordings = recordings.min(budget.samples.div_ceil(ROUNDS));
        }
        spent += visit.seconds.max(1e-6);
        if spent >= enough {
            return Ok(recordings);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Takes so many seconds an evaluation, and writes down who was visited.
    struct Scripted<'a> {
        name: char,
        seconds: f64,
        diary: &'a RefCell<String>,
    }

    impl Subject for Scripted<'_> {
        fn visit(&mut self, recordings: usize) -> Result<Visit, BenchError> {
            self.diary.borrow_mut().push(self.name);
            let seconds = self.seconds * recordings as f64;
            Ok(Visit { device: vec![self.seconds; recordings], end_to_end: vec![seconds], seconds })
        }

        fn one_sample_a_visit(&self) -> bool {
            false
        }
    }

    fn run(times: &[(char, f64)], samples: usize, seconds: f64) -> (Vec<Samples>, String) {
        let diary = RefCell::new(String::new());
        let mut subjects: Vec<_> =
            times.iter().map(|&(name, seconds)| Scripted { name, seconds, diary: &diary }).collect();
        let all = interleave(&mut subjects, Budget { samples, seconds }, &mut |_| {}).unwrap();
        (all, diary.into_inner())
    }

    #[test]
    fn visits_go_back_and_forth() {
        // An evaluation fills a visit and the warm-up; three samples are three visits.
        let (all, diary) = run(&[('a', 0.3), ('b', 0.3), ('c', 0.3)], 3, 100.0);
        assert_eq!(diary, "abc".to_owned() + "abc" + "cba" + "abc");
        assert!(all.iter().all(|samples| samples.device == [0.3; 3]));
    }

    #[test]
    fn samples_are_spread_over_rounds() {
        let (all, diary) = run(&[('a', 1e-4), ('b', 1e-4)], 80, 10.0);
        assert_eq!(all[0].device.len(), 80);
        // 80 samples in eight visits of 10, beside the warm-up at the start.
        assert!(diary.ends_with(&"abba".repeat(4)), "{diary}");
        assert!(diary.starts_with("aaaa"), "{diary}");
    }

    #[test]
    fn the_budget_ends_what_is_slow_and_leaves_it_a_sample() {
        let (all, diary) = run(&[('s', 5.0), ('f', 0.125)], 20, 1.0);
        assert_eq!((all[0].device.len(), all[1].device.len()), (1, 8));
        assert_eq!(diary.matches('s').count(), 2);
    }

    #[test]
    fn progress_ends_at_one() {
        let diary = RefCell::new(String::new());
        let mut subjects = [Scripted { name: 'a', seconds: 0.1, diary: &diary }];
        let mut last = 0.0;
        interleave(&mut subjects, Budget { samples: 4, seconds: 9.0 }, &mut |part| {
            assert!(part >= last);
            last = part;
        })
        .unwrap();
        assert_eq!(last, 1.0);
    }
}
