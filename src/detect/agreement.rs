//! Do two heads see the same things?

use super::Detection;

/// How many boxes of one image two heads have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxAgreement {
    /// Boxes of the reference.
    pub reference: usize,
    /// Boxes of the other head.
    pub candidate: usize,
    /// Pairs of the same class that overlap, no box in two of them.
    pub same: usize,
}

impl BoxAgreement {
    /// Pairs boxes of the same class whose intersection over union is at least `overlap`. The candidate's boxes choose
    /// in their order (strongest first, as detectors give them), each the free box that it overlaps most.
    pub fn of(reference: &[Detection], candidate: &[Detection], overlap: f32) -> Self {
        let mut free: Vec<&Detection> = reference.iter().collect();
        let mut same = 0;
        for found in candidate {
            let best = free
                .iter()
                .enumerate()
                .filter(|(_, other)| other.class == found.class)
                .map(|(at, other)| (at, other.bounds.iou(found.bounds)))
                .filter(|(_, iou)| *iou >= overlap)
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((at, _)) = best {
                free.remove(at);
                same += 1;
            }
        }
        Self { reference: reference.len(), candidate: candidate.len(), same }
    }

    /// Part of all boxes that are in a pair, 0 to 1; 1 where there are none.
    pub fn share(&self) -> f64 {
        match self.reference + self.candidate {
            0 => 1.0,
            all => 2.0 * self.same as f64 / all as f64,
        }
    }
}

impl std::ops::AddAssign for BoxAgreement {
    fn add_assign(&mut self, other: Self) {
        self.reference += other.reference;
        self.candidate += other.candidate;
        self.same += other.same;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Bounds;

    fn found(class: usize, left: f32) -> Detection {
        Detection { class, score: 0.5, bounds: Bounds::new(left, 0.0, left + 10.0, 10.0) }
    }

    #[test]
    fn boxes_pair_once_and_within_their_class() {
        // Shifted by 1 the overlap is 9 / 11 = 0.82, by 2 it is 8 / 12 = 0.67.
        let reference = [found(0, 0.0), found(0, 100.0), found(1, 200.0), found(0, 300.0)];
        let candidate = [found(0, 1.0), found(0, 0.0), found(0, 200.0), found(0, 302.0)];
        let agreement = BoxAgreement::of(&reference, &candidate, 0.7);
        assert_eq!(agreement, BoxAgreement { reference: 4, candidate: 4, same: 1 });
        assert_eq!(agreement.share(), 0.25);
    }

    #[test]
    fn no_boxes_agree() {
        assert_eq!(BoxAgreement::of(&[], &[], 0.5).share(), 1.0);
        assert_eq!(BoxAgreement::of(&[found(0, 0.0)], &[], 0.5).share(), 0.0);
    }
}
