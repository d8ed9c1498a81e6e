//! Drops the weaker of overlapping boxes.

use super::decode::Candidate;

/// Greedy class-wise suppression: strongest first, a box is kept unless it overlaps a kept one of its class by more
/// than `overlap`; ends with `most` boxes. Equal scores go by class, then by cell.
pub(super) fn suppress(mut candidates: Vec<Candidate>, overlap: f32, most: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.class.cmp(&b.class)).then(a.cell.cmp(&b.cell)));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() >= most {
            break;
        }
        let covered =
            |other: &Candidate| other.class == candidate.class && other.bounds.iou(candidate.bounds) > overlap;
        if !kept.iter().any(covered) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Bounds;

    fn candidate(class: usize, cell: usize, score: f32, left: f32) -> Candidate {
        Candidate { class, cell, score, bounds: Bounds::new(left, 0.0, left + 10.0, 10.0) }
    }

    fn cells(kept: &[Candidate]) -> Vec<usize> {
        kept.iter().map(|c| c.cell).collect()
    }

    /// Boxes 10 wide, shifted by s, overlap by (10 - s) / (10 + s): 2 gives 0.667, 4 gives 0.429.
    fn row() -> Vec<Candidate> {
        vec![
            candidate(0, 1, 0.6, 2.0),
            candidate(0, 2, 0.5, 4.0),
            candidate(0, 0, 0.9, 0.0),
            candidate(1, 3, 0.7, 0.0),
            candidate(0, 4, 0.4, 6.0),
        ]
    }

    #[test]
    fn only_kept_boxes_of_the_class_suppress() {
        // 0 takes 1 out; 2 overlaps 0 by 0.429 and stays although 1 would have taken it out; 2 takes 4 out.
        assert_eq!(cells(&suppress(row(), 0.5, 100)), [0, 3, 2]);
        assert_eq!(cells(&suppress(row(), 0.7, 100)), [0, 3, 1, 2, 4]);
        assert_eq!(cells(&suppress(row(), 0.3, 100)), [0, 3, 4]);
    }

    #[test]
    fn an_overlap_of_exactly_the_limit_stays() {
        let half = vec![
            Candidate { class: 0, cell: 0, score: 0.9, bounds: Bounds::new(0.0, 0.0, 8.0, 8.0) },
            Candidate { class: 0, cell: 1, score: 0.8, bounds: Bounds::new(0.0, 0.0, 8.0, 4.0) },
        ];
        assert_eq!(cells(&suppress(half, 0.5, 100)), [0, 1]);
    }

    #[test]
    fn the_strongest_of_all_classes_are_kept() {
        assert_eq!(cells(&suppress(row(), 0.5, 2)), [0, 3]);
        assert_eq!(suppress(row(), 0.5, 0), []);
    }

    #[test]
    fn equal_scores_go_by_class_then_by_cell() {
        let ties = vec![candidate(1, 0, 0.5, 0.0), candidate(0, 7, 0.5, 40.0), candidate(0, 3, 0.5, 80.0)];
        assert_eq!(cells(&suppress(ties, 0.5, 100)), [3, 7, 0]);
    }
}
