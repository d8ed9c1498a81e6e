//! Upright boxes in the form that the metrics compute with.

/// How far a box reaches, given its edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PixelExtent {
    /// Edges are points on a continuous axis: a box from 10 to 20 is 10 wide. COCO's convention, and the usual one for
    /// VOC folders of one's own.
    #[default]
    Continuous,
    /// Edges are pixels that both belong to the box: from 10 to 20 is 11 wide. That of the VOC development kit and of
    /// py-faster-rcnn, where a figure has to be comparable with theirs to the last digit.
    Inclusive,
}

impl PixelExtent {
    fn added(self) -> f64 {
        match self {
            Self::Continuous => 0.0,
            Self::Inclusive => 1.0,
        }
    }
}

/// An upright box in pixels of its image, x to the right and y downwards.
///
/// Width and height are kept rather than the far edges: COCO files hold them, and subtracting edges again would move
/// overlaps by a last digit across a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge minus left edge.
    pub width: f64,
    /// Lower edge minus upper edge.
    pub height: f64,
}

impl Region {
    /// Greatest magnitude of an edge that the readers take: far above any image, far below where squares lose digits.
    pub const MAX_COORDINATE: f64 = 1e7;

    /// A box from its left, upper, right and lower edge.
    pub fn from_corners([left, top, right, bottom]: [f64; 4]) -> Self {
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// Left, upper, right and lower edge.
    pub fn to_corners(self) -> [f64; 4] {
        [self.left, self.top, self.left + self.width, self.top + self.height]
    }

    /// Width times height, continuous.
    pub fn area(self) -> f64 {
        self.width * self.height
    }

    /// What is wrong with the box, if anything: edges that are not finite, beyond [`Self::MAX_COORDINATE`], or the
    /// wrong way round. A side of 0 is fine.
    pub(crate) fn problem(self) -> Option<String> {
        let corners = self.to_corners();
        if corners.iter().any(|edge| edge.is_nan() || edge.abs() > Self::MAX_COORDINATE) {
            Some(format!("the box is {corners:?}, expected finite edges within 1e7"))
        } else if self.width < 0.0 || self.height < 0.0 {
            Some(format!("the box is {} wide and {} high, expected at least 0", self.width, self.height))
        } else {
            None
        }
    }

    /// Area that both boxes cover.
    pub fn shared_area(self, other: Self, extent: PixelExtent) -> f64 {
        let [_, _, right, bottom] = self.to_corners();
        let [_, _, other_right, other_bottom] = other.to_corners();
        let width = right.min(other_right) - self.left.max(other.left) + extent.added();
        let height = bottom.min(other_bottom) - self.top.max(other.top) + extent.added();
        if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
    }

    /// Shared area over the area that either box covers, 0 to 1; 0 where nothing is shared.
    pub fn intersection_over_union(self, other: Self, extent: PixelExtent) -> f64 {
        let shared = self.shared_area(other, extent);
        let added = extent.added();
        let area = |region: Self| (region.width + added) * (region.height + added);
        if shared > 0.0 { shared / (area(self) + area(other) - shared) } else { 0.0 }
    }

    /// Share of this box that lies in `other`, 0 to 1.
    pub fn share_inside(self, other: Self) -> f64 {
        let shared = self.shared_area(other, PixelExtent::Continuous);
        if shared > 0.0 { shared / self.area() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PixelExtent::{Continuous, Inclusive};

    #[test]
    fn overlap_follows_the_extent() {
        let a = Region::from_corners([0.0, 0.0, 9.0, 9.0]);
        let b = Region::from_corners([5.0, 0.0, 14.0, 9.0]);
        // 4 x 9 shared of 2 x 81 - 36; with both edge pixels 5 x 10 of 2 x 100 - 50.
        assert_eq!(a.intersection_over_union(b, Continuous), 36.0 / 126.0);
        assert_eq!(a.intersection_over_union(b, Inclusive), 50.0 / 150.0);
    }

    #[test]
    fn touching_boxes_share_a_column_of_pixels_only_when_edges_belong_to_the_box() {
        let a = Region::from_corners([0.0, 0.0, 9.0, 9.0]);
        let b = Region::from_corners([9.0, 0.0, 18.0, 9.0]);
        assert_eq!(a.shared_area(b, Continuous), 0.0);
        assert_eq!(a.shared_area(b, Inclusive), 10.0);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        let line = Region { left: 3.0, top: 3.0, width: 0.0, height: 5.0 };
        assert_eq!(line.intersection_over_union(line, Continuous), 0.0);
        assert_eq!(line.share_inside(line), 0.0);
        assert_eq!(line.problem(), None);
    }

    #[test]
    fn share_inside_is_relative_to_the_box_itself() {
        let inner = Region { left: 2.0, top: 2.0, width: 4.0, height: 2.0 };
        let outer = Region { left: 0.0, top: 0.0, width: 4.0, height: 10.0 };
        assert_eq!(inner.share_inside(outer), 0.5);
    }

    #[test]
    fn edges_that_make_no_box_are_named() {
        for corners in [[f64::NAN, 0.0, 1.0, 1.0], [0.0, 0.0, f64::INFINITY, 1.0], [0.0, 0.0, 1.0, 2e7]] {
            assert!(Region::from_corners(corners).problem().unwrap().contains("finite"), "{corners:?}");
        }
        assert!(Region::from_corners([5.0, 0.0, 4.0, 1.0]).problem().unwrap().contains("-1 wide"));
    }
}
