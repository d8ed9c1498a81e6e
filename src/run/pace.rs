//! How much work goes into one submission.
//!
//! A system resets a device that is busy with one submission for too long, Windows after 2 s. So long work is cut into
//! submissions that are predicted to take no more than [`SECONDS`], by the multiplications that they make and a rate that
//! the slowest adapters of the kind reach: measured kernels make about a tenth of what a device can at most, and the
//! slowest discrete GPUs in use can make 5e11 a second, integrated and mobile ones 1e11. An adapter is faster than that,
//! so what it is given takes it less, and a submission more costs it some microseconds.

/// Seconds that a submission is predicted to take at most.
const SECONDS: f64 = 0.5;

/// Multiplications that one submission may make. Nothing watches a device that is the CPU.
pub(crate) fn largest_submission(kind: wgpu::DeviceType) -> f64 {
    match kind {
        wgpu::DeviceType::Cpu => f64::INFINITY,
        kind => submission_within(kind, SECONDS),
    }
}

/// Multiplications that one submission may make that is to take no more than so many seconds.
pub(crate) fn submission_within(kind: wgpu::DeviceType, seconds: f64) -> f64 {
    let a_second = match kind {
        wgpu::DeviceType::DiscreteGpu => 5e10,
        wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 1e10,
        // Two cores with nothing but what a driver compiles.
        wgpu::DeviceType::Cpu => 1e9,
    };
    seconds * a_second
}

/// How many of `count` pieces, of so many multiplications each, go into one submission of at most `most`: one at least.
pub(crate) fn pieces_at_once(count: usize, multiplications: f64, most: f64) -> usize {
    ((most / multiplications.max(1.0)) as usize).clamp(1, count.max(1))
}

/// Runs of pieces, of so many multiplications each, that go into one submission of at most `most`: one piece at least. Where there
/// is no piece, there is a run of none.
#[cfg(feature = "network")]
pub(crate) fn runs(multiplications: impl IntoIterator<Item = f64>, most: f64) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    let mut sum = f64::INFINITY;
    for (at, own) in multiplications.into_iter().enumerate() {
        match runs.last_mut() {
            Some(last) if sum + own <= most => (last.end, sum) = (at + 1, sum + own),
            _ => {
                runs.push(at..at + 1);
                sum = own;
            }
        }
    }
    if runs.is_empty() {
        runs.push(0..0);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_may_be_given_less_time() {
        for kind in [wgpu::DeviceType::DiscreteGpu, wgpu::DeviceType::IntegratedGpu] {
            assert_eq!(submission_within(kind, 0.1), largest_submission(kind) / 5.0);
        }
        assert!(submission_within(wgpu::DeviceType::Cpu, 0.1) < 1e9);
    }

    #[cfg(feature = "network")]
    #[test]
    fn runs_take_what_fits() {
        assert_eq!(runs([3.0, 4.0, 2.0, 9.0, 1.0, 1.0], 8.0), [0..2, 2..3, 3..4, 4..6]);
        assert_eq!(runs([3.0, 4.0], f64::INFINITY), std::slice::from_ref(&(0..2)));
        assert_eq!(runs([], 8.0), std::slice::from_ref(&(0..0)));
    }

    #[test]
    fn long_work_is_cut_and_short_work_is_not() {
        assert_eq!(pieces_at_once(10, 1e9, 5e9), 5);
        assert_eq!(pieces_at_once(3, 1e9, 5e9), 3);
        // What cannot be cut goes alone.
        assert_eq!(pieces_at_once(10, 9e9, 5e9), 1);
        assert_eq!(pieces_at_once(10, 0.0, 5e9), 10);
        assert_eq!(pieces_at_once(0, 1e9, 5e9), 1);
        assert_eq!(pieces_at_once(usize::MAX, 1e30, largest_submission(wgpu::DeviceType::Cpu)), usize::MAX);
    }
}
