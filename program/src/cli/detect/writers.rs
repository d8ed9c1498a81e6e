//! Threads that draw boxes and write pictures, which takes longer than finding the boxes on a GPU.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sharekan::detect::{Detection, Picture, draw_detections};

use super::pictures;
use crate::cli::failure::Failure;

/// A picture, what is drawn on it, and where it goes.
struct Work {
    picture: Picture,
    detections: Vec<Detection>,
    path: PathBuf,
}

/// Draws and writes pictures in the background. Dropped, it ends what was handed over.
pub(super) struct Writers {
    queue: Option<SyncSender<Work>>,
    threads: Vec<JoinHandle<()>>,
    /// The first thing that went wrong; nothing is written after it.
    problem: Arc<Mutex<Option<Failure>>>,
}

impl Writers {
    /// Threads for half of the cores; the classes are all that a box may be of.
    pub(super) fn start(classes: &[String]) -> Self {
        let count = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        // A picture for each thread waits: more would only take memory.
        let (queue, work) = sync_channel(count);
        let (work, problem) = (Arc::new(Mutex::new(work)), Arc::new(Mutex::new(None)));
        let stopped = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let (classes, work, problem) = (classes.to_vec(), Arc::clone(&work), Arc::clone(&problem));
            let stopped = Arc::clone(&stopped);
            std::thread::spawn(move || write_all(&classes, &work, &stopped, &problem))
        });
        Self { queue: Some(queue), threads: threads.collect(), problem }
    }

    /// Hands a picture over; waits while all threads have one waiting.
    ///
    /// # Errors
    /// What went wrong with a picture before it.
    pub(super) fn write(&self, picture: Picture, detections: Vec<Detection>, path: PathBuf) -> Result<(), Failure> {
        self.problem()?;
        let sent = self.queue.as_ref().map(|queue| queue.send(Work { picture, detections, path }));
        match sent {
            Some(Ok(())) => Ok(()),
            // All threads have ended, which they do where one panicked.
            _ => self.problem().and(Err(Failure::new("the threads that write pictures have stopped"))),
        }
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// What went wrong with a picture.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let whole = self.join();
        self.problem()?;
        if whole { Ok(()) } else { Err(Failure::new("a thread that writes pictures has stopped")) }
    }

    fn problem(&self) -> Result<(), Failure> {
        match self.problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// Ends the threads; false where one panicked.
    fn join(&mut self) -> bool {
        self.queue = None;
        let ended: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        ended.iter().all(Result::is_ok)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.join();
    }
}

fn write_all(
    classes: &[String],
    queue: &Mutex<Receiver<Work>>,
    stopped: &AtomicBool,
    problem: &Mutex<Option<Failure>>,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { mut picture, detections, path }) = next else { return };
        // What is left is taken out of the queue, so that whoever hands over does not wait for ever.
        if stopped.load(Ordering::Relaxed) {
            continue;
        }
        draw_detections(&mut picture, &detections, classes);
        if let Err(failure) = pictures::write(&path, &picture) {
            stopped.store(true, Ordering::Relaxed);
            problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture::from_rgb(64, 48, vec![200; 64 * 48 * 3]).unwrap()
    }

    #[test]
    fn every_picture_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let writers = Writers::start(&["cell".into()]);
        for at in 0..40 {
            writers.write(picture(), Vec::new(), folder.path().join(format!("{at}.png"))).unwrap();
        }
        writers.finish().unwrap();
        for at in 0..40 {
            let found = image::open(folder.path().join(format!("{at}.png"))).unwrap();
            assert_eq!((found.width(), found.height()), (64, 48));
        }
    }

    #[test]
    fn a_picture_that_cannot_be_written_ends_it_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let writers = Writers::start(&[]);
        let mut told = Ok(());
        for _ in 0..40 {
            told = told.and_then(|()| writers.write(picture(), Vec::new(), folder.path().join("nowhere/a.png")));
        }
        let told = told.and_then(|()| writers.finish());
        assert!(format!("{:?}", told.unwrap_err()).contains("nowhere"));
    }
}
