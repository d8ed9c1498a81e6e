//! What a frame is made of, and what of it goes to the device at once.

use std::ops::Range;

use crate::run::runs;

/// Work of a frame that is recorded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The image to the backbone's input.
    Letterbox,
    /// Steps of the backbone.
    Backbone(Range<usize>),
    /// Maps to rows.
    Join,
    /// Chunks of the rows through one session of the heads.
    Head { session: usize, chunks: Range<usize> },
    /// Outputs to candidates.
    Candidates,
}

impl Part {
    /// The part and the next one as one, where they are.
    fn joined(&self, next: &Self) -> Option<Self> {
        match (self, next) {
            (Self::Backbone(a), Self::Backbone(b)) => Some(Self::Backbone(a.start..b.end)),
            (Self::Head { session, chunks: a }, Self::Head { session: other, chunks: b }) if session == other => {
                Some(Self::Head { session: *session, chunks: a.start..b.end })
            }
            _ => None,
        }
    }
}

/// The parts of a frame by submissions of at most so many multiplications: `steps` are those of the backbone, `chunks`
/// those of every session.
pub(super) fn submissions(
    steps: impl Iterator<Item = f64>,
    chunks: impl Iterator<Item = Vec<f64>>,
    most: f64,
) -> Vec<Vec<Part>> {
    let mut all = vec![(Part::Letterbox, 0.0)];
    all.extend(steps.enumerate().map(|(at, work)| (Part::Backbone(at..at + 1), work)));
    all.push((Part::Join, 0.0));
    for (session, chunks) in chunks.enumerate() {
        let of_session = |(at, work)| (Part::Head { session, chunks: at..at + 1 }, work);
        all.extend(chunks.into_iter().enumerate().map(of_session));
    }
    all.push((Part::Candidates, 0.0));
    let together = |run: Range<usize>| {
        let mut parts: Vec<Part> = Vec::new();
        for (part, _) in &all[run] {
            match parts.last_mut().and_then(|last| Some((last.joined(part)?, last))) {
                Some((joined, last)) => *last = joined,
                None => parts.push(part.clone()),
            }
        }
        parts
    };
    runs(all.iter().map(|(_, work)| *work), most).into_iter().map(together).collect()
}

/// The parts of a frame in two submissions, so that the device has begun before the host has recorded everything: the first has a
/// quarter of the backbone's steps, which take the device about as long as the host takes over the others.
pub(super) fn begun_early(mut parts: Vec<Part>) -> Vec<Vec<Part>> {
    let backbone = parts.iter().position(|part| matches!(part, Part::Backbone(steps) if steps.len() >= FEW_STEPS));
    let Some((at, Part::Backbone(steps))) = backbone.map(|at| (at, parts[at].clone())) else { return vec![parts] };
    let cut = steps.start + steps.len() / 4;
    let rest = parts.split_off(at + 1);
    parts[at] = Part::Backbone(steps.start..cut);
    let rest = std::iter::once(Part::Backbone(cut..steps.end)).chain(rest).collect();
    vec![parts, rest]
}

/// Steps of a backbone that are recorded before a submission would pay.
const FEW_STEPS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_recording_is_begun_early() {
        let parts = |steps| vec![Part::Letterbox, Part::Backbone(0..steps), Part::Join, Part::Candidates];
        let expected =
            [vec![Part::Letterbox, Part::Backbone(0..12)], vec![Part::Backbone(12..49), Part::Join, Part::Candidates]];
        assert_eq!(begun_early(parts(49)), expected);
        assert_eq!(begun_early(parts(15)), [parts(15)]);
        assert_eq!(begun_early(vec![Part::Join]), [[Part::Join]]);
    }

    fn head(session: usize, chunks: Range<usize>) -> Part {
        Part::Head { session, chunks }
    }

    #[test]
    fn a_frame_that_is_short_goes_at_once() {
        let found = submissions([1.0, 2.0].into_iter(), [vec![1.0, 1.0], vec![1.0]].into_iter(), 10.0);
        let expected =
            [Part::Letterbox, Part::Backbone(0..2), Part::Join, head(0, 0..2), head(1, 0..1), Part::Candidates];
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_frame_that_is_long_is_cut() {
        let found = submissions([3.0, 2.0, 4.0].into_iter(), [vec![5.0, 1.0, 1.0]].into_iter(), 5.0);
        let expected = [
            vec![Part::Letterbox, Part::Backbone(0..2)],
            vec![Part::Backbone(2..3), Part::Join],
            vec![head(0, 0..1)],
            vec![head(0, 1..3), Part::Candidates],
        ];
        assert_eq!(found, expected);
    }
}
