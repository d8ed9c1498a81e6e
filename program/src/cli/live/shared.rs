//! What the threads of a live picture tell each other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sharekan::detect::Detection;
use sharekan::detect::DetectionRecord;

use super::times::Times;

/// Pixels that are kept to be filled again.
const SPARE: usize = 3;

/// A frame as it came.
#[derive(Clone)]
pub(super) struct Frame {
    /// RGBA, row after row.
    pub(super) pixels: Vec<u8>,
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// Time in the source.
    pub(super) seconds: f64,
    /// Place in the source, from 0.
    pub(super) number: u64,
    pub(super) came: Instant,
    /// How long it took to come.
    pub(super) reading: Duration,
}

/// What the user has set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Controls {
    pub(super) score: f32,
    pub(super) nms: f32,
    /// Which of the heads looks.
    pub(super) head: usize,
    pub(super) paused: bool,
    /// Nobody can see the window.
    pub(super) hidden: bool,
}

impl Controls {
    /// Whether frames are wanted.
    pub(super) fn runs(&self) -> bool {
        !self.paused && !self.hidden
    }

    /// Whether the same frame gives the same boxes.
    fn finds_as(&self, other: &Self) -> bool {
        (self.score, self.nms, self.head) == (other.score, other.nms, other.head)
    }
}

/// A frame and what was found in it.
pub(super) struct Shown {
    pub(super) frame: Arc<Frame>,
    /// Textures that frames take turns in.
    pub(super) textures: Arc<Vec<wgpu::Texture>>,
    /// The one of this frame.
    pub(super) slot: usize,
    /// The boxes, their classes numbered through all heads of a bank.
    pub(super) detections: Vec<Detection>,
    pub(super) records: Vec<DetectionRecord>,
    /// Of the head that looked.
    pub(super) classes: Arc<Vec<String>>,
}

/// What there is to do.
pub(super) enum Job {
    /// To look at a frame.
    Look(Frame, Controls),
    /// To look at the last one again.
    Again(Controls),
    /// Nothing, for the device is lost.
    Lost(Controls),
    Quit,
}

struct State {
    controls: Controls,
    next: Option<Frame>,
    /// One that was taken and not looked at.
    again: Option<Frame>,
    spare: Vec<Vec<u8>>,
    shown: Option<Arc<Shown>>,
    /// Frames that a later one has overtaken.
    skipped: u64,
    /// No more frames come; the text says what went wrong.
    ended: Option<Result<(), String>>,
    times: Times,
    lost: bool,
    quits: bool,
}

/// What all threads see.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(controls: Controls) -> Self {
        let state = State {
            controls,
            next: None,
            again: None,
            spare: Vec::new(),
            shown: None,
            skipped: 0,
            ended: None,
            times: Times::default(),
            lost: false,
            quits: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all threads.
    pub(super) fn quit(&self) {
        self.lock().quits = true;
        self.changed.notify_all();
    }

    pub(super) fn controls(&self) -> Controls {
        self.lock().controls
    }

    pub(super) fn set_controls(&self, controls: Controls) {
        let mut state = self.lock();
        if state.controls != controls {
            state.controls = controls;
            self.changed.notify_all();
        }
    }

    /// Waits until frames are wanted; false where nothing is any more.
    pub(super) fn wait_until_wanted(&self) -> bool {
        let mut state = self.lock();
        while !state.quits && !state.controls.runs() {
            state = self.wait(state);
        }
        !state.quits
    }

    /// Room for the pixels of a frame.
    pub(super) fn spare(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_default()
    }

    /// Takes back the room of a frame.
    pub(super) fn take_back(&self, pixels: Vec<u8>) {
        self.lock().keep(pixels);
    }

    /// Hands a frame on: in place of one that nobody took yet where it is live, after it where every frame counts. False where
    /// nobody wants any more.
    pub(super) fn offer(&self, frame: Frame, live: bool) -> bool {
        let mut state = self.lock();
        while !live && state.next.is_some() && !state.quits {
            state = self.wait(state);
        }
        // What is left when the window closes was overtaken by none.
        if state.quits {
            return false;
        }
        if let Some(late) = state.next.replace(frame) {
            state.skipped += 1;
            state.keep(late.pixels);
        }
        self.changed.notify_all();
        true
    }

    /// Takes back a frame that could not be looked at, to be the next one.
    pub(super) fn give_back(&self, frame: Frame) {
        self.lock().again = Some(frame);
    }

    /// No more frames come.
    pub(super) fn end(&self, result: Result<(), String>) {
        self.lock().ended = Some(result);
        self.changed.notify_all();
    }

    /// How the source ended, when its last frame was looked at.
    pub(super) fn ended(&self) -> Option<Result<(), String>> {
        let state = self.lock();
        state.ended.clone().filter(|_| state.next.is_none() && state.again.is_none())
    }

    /// Waits for something to do. A frame is not taken before the time that `due` gives for it; `last` are the settings by which
    /// the last frame was looked at.
    pub(super) fn job(&self, last: Option<&Controls>, mut due: impl FnMut(&Frame, Instant) -> Instant) -> Job {
        let mut state = self.lock();
        loop {
            let controls = state.controls;
            if state.quits {
                return Job::Quit;
            }
            if state.lost {
                return Job::Lost(controls);
            }
            let mut pause = None;
            // One that was looked at when the device was lost is to be seen again.
            if (controls.runs() || !controls.hidden && state.again.is_some())
                && let Some(frame) = state.again.as_ref().or(state.next.as_ref())
            {
                let now = Instant::now();
                pause = Some(due(frame, now).saturating_duration_since(now)).filter(|pause| !pause.is_zero());
                if pause.is_none()
                    && let Some(frame) = state.again.take().or_else(|| state.next.take())
                {
                    self.changed.notify_all();
                    return Job::Look(frame, controls);
                }
            }
            if !controls.hidden && last.is_some_and(|last| !last.finds_as(&controls)) {
                return Job::Again(controls);
            }
            state = match pause {
                None => self.wait(state),
                Some(pause) => self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Shows a frame in place of the last one.
    pub(super) fn show(&self, shown: Shown, stages: &[(&'static str, Duration)], is_new: bool) {
        let mut state = self.lock();
        if is_new {
            state.times.add(stages, Instant::now());
        }
        let last = state.shown.replace(Arc::new(shown));
        if let Some(frame) = last.and_then(Arc::into_inner).and_then(|last| Arc::into_inner(last.frame)) {
            state.keep(frame.pixels);
        }
    }

    /// The frame that is shown.
    pub(super) fn shown(&self) -> Option<Arc<Shown>> {
        self.lock().shown.clone()
    }

    /// The device is lost: nobody looks at anything any more.
    pub(super) fn lose(&self) {
        self.lock().lost = true;
        self.changed.notify_all();
    }

    /// Begins anew on another device: the textures of the frame that is shown are gone.
    pub(super) fn begin_anew(&self) {
        let mut state = self.lock();
        (state.shown, state.lost) = (None, false);
    }

    /// Adds the time of a stage outside of frames.
    pub(super) fn add_time(&self, stage: &'static str, time: Duration) {
        self.lock().times.add_to(stage, time);
    }

    /// Where the time went so far, and frames that were overtaken.
    pub(super) fn times(&self) -> (Times, u64) {
        let state = self.lock();
        (state.times.clone(), state.skipped)
    }
}

impl State {
    fn keep(&mut self, pixels: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLS: Controls = Controls { score: 0.3, nms: 0.5, head: 0, paused: false, hidden: false };

    fn frame(number: u64) -> Frame {
        let (pixels, reading) = (vec![0; 4], Duration::ZERO);
        Frame { pixels, size: [1, 1], seconds: number as f64, number, came: Instant::now(), reading }
    }

    fn taken(shared: &Shared) -> Option<u64> {
        match shared.job(None, |_, now| now) {
            Job::Look(frame, _) => Some(frame.number),
            Job::Again(_) | Job::Lost(_) | Job::Quit => None,
        }
    }

    #[test]
    fn live_the_latest_frame_wins() {
        let shared = Shared::new(CONTROLS);
        for number in 0..3 {
            assert!(shared.offer(frame(number), true));
        }
        assert_eq!(taken(&shared), Some(2));
        assert_eq!(shared.times().1, 2);
    }

    #[test]
    fn of_a_file_every_frame_is_taken() {
        let shared = Shared::new(CONTROLS);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..50).for_each(|number| assert!(shared.offer(frame(number), false)));
                shared.end(Ok(()));
            });
            let all: Vec<_> = (0..50).filter_map(|_| taken(&shared)).collect();
            assert_eq!(all, (0..50).collect::<Vec<_>>());
        });
        assert_eq!((shared.ended(), shared.times().1), (Some(Ok(())), 0));
    }

    #[test]
    fn a_frame_that_could_not_be_looked_at_is_the_next_one() {
        let shared = Shared::new(CONTROLS);
        let Job::Look(first, _) = (shared.offer(frame(0), false), shared.job(None, |_, now| now)).1 else { panic!() };
        assert!(shared.offer(frame(1), false));
        shared.end(Ok(()));
        shared.give_back(first);
        assert_eq!((taken(&shared), shared.ended(), taken(&shared)), (Some(0), None, Some(1)));
        assert_eq!(shared.ended(), Some(Ok(())));
    }

    #[test]
    fn nothing_is_done_while_nobody_sees_it() {
        let shared = Shared::new(Controls { hidden: true, ..CONTROLS });
        assert!(shared.offer(frame(7), true));
        let other = Controls { score: 0.9, ..CONTROLS };
        std::thread::scope(|scope| {
            let looker = scope.spawn(|| taken(&shared));
            let again = scope.spawn(|| shared.job(Some(&other), |_, now| now + Duration::from_secs(3600)));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!looker.is_finished() && !again.is_finished());
            // In sight, one of them takes the frame, the other one looks again at the last one.
            shared.set_controls(CONTROLS);
            assert_eq!(looker.join().unwrap(), Some(7));
            assert!(matches!(again.join().unwrap(), Job::Again(CONTROLS)));
        });
    }

    #[test]
    fn a_slider_looks_again_and_a_pause_does_not() {
        let shared = Shared::new(Controls { paused: true, ..CONTROLS });
        assert!(shared.offer(frame(0), true));
        let last = Controls { score: 0.9, ..CONTROLS };
        assert!(matches!(shared.job(Some(&last), |_, now| now), Job::Again(_)));
        shared.quit();
        assert!(matches!(shared.job(Some(&CONTROLS), |_, now| now), Job::Quit));
        assert!(!shared.offer(frame(1), true) && !shared.wait_until_wanted());
        assert_eq!(shared.times().1, 0);
    }
}
