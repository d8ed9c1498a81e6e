//! Upright boxes.

/// An upright box in pixels: x to the right, y downwards, from the outer edge of the first pixel to the outer edge of
/// the last, so that a whole image is `(0, 0)` to `(width, height)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

impl Bounds {
    /// A box from its left, upper, right and lower edge.
    pub fn new(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { left, top, right, bottom }
    }

    /// Left, upper, right and lower edge.
    pub fn to_array(self) -> [f32; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    /// Width and height, never negative.
    pub fn size(self) -> [f32; 2] {
        [(self.right - self.left).max(0.0), (self.bottom - self.top).max(0.0)]
    }

    /// Area in square pixels; 0 where an edge lies beyond its opposite.
    pub fn area(self) -> f32 {
        let [width, height] = self.size();
        width * height
    }

    /// True where all edges are finite numbers.
    pub fn is_finite(self) -> bool {
        self.to_array().into_iter().all(f32::is_finite)
    }

    /// What both boxes cover; of area 0 where they do not meet.
    pub fn intersection(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Intersection over union, 0 to 1; 0 where both boxes are empty.
    pub fn iou(self, other: Self) -> f32 {
        let shared = self.intersection(other).area();
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The box with its edges moved into an image of this width and height.
    pub fn clip(self, [width, height]: [f32; 2]) -> Self {
        let within = |edge: f32, end: f32| edge.max(0.0).min(end);
        Self {
            left: within(self.left, width),
            top: within(self.top, height),
            right: within(self.right, width),
            bottom: within(self.bottom, height),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_shared_area_over_joint_area() {
        let a = Bounds::new(0.0, 0.0, 4.0, 2.0);
        assert_eq!(a.iou(a), 1.0);
        // 2 shared, 8 + 4 - 2 together.
        assert_eq!(a.iou(Bounds::new(3.0, 0.0, 5.0, 2.0)), 0.2);
        assert_eq!(a.iou(Bounds::new(4.0, 0.0, 5.0, 2.0)), 0.0);
        assert_eq!(a.iou(Bounds::new(5.0, 5.0, 6.0, 6.0)), 0.0);
    }

    #[test]
    fn boxes_without_area_overlap_nothing() {
        let line = Bounds::new(1.0, 1.0, 1.0, 5.0);
        assert_eq!(line.iou(line), 0.0);
        let inverted = Bounds::new(3.0, 3.0, 1.0, 1.0);
        assert_eq!(inverted.area(), 0.0);
        assert_eq!(inverted.iou(Bounds::new(0.0, 0.0, 4.0, 4.0)), 0.0);
    }

    #[test]
    fn clipping_moves_edges_into_the_image() {
        let clipped = Bounds::new(-3.0, 2.0, 12.0, 9.0).clip([10.0, 8.0]);
        assert_eq!(clipped.to_array(), [0.0, 2.0, 10.0, 8.0]);
        assert_eq!(Bounds::new(-5.0, -5.0, -1.0, -1.0).clip([10.0, 8.0]).area(), 0.0);
    }
}
