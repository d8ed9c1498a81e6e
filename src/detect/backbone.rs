//! The network in front of a head.

use super::{BackboneProblem, CellFeatures, DetectError, Picture};

/// A network that turns an image into the features of its cells.
///
/// Implement it to put any network in front of a head, in whatever runtime it lives. The image comes letterboxed, as
/// plain RGB; preparing its pixels is the backbone's own business ([`crate::head::PixelPreparation::prepare`] does what
/// the head's settings ask for), and so is joining the maps of several strides ([`CellFeatures::join`] helps).
///
/// ```
/// use sharekan::detect::{Backbone, CellFeatures, DetectError, Picture};
///
/// /// The mean colour of each cell of 16 x 16 pixels.
/// struct MeanColour;
///
/// impl Backbone for MeanColour {
///     fn channels(&self) -> usize {
///         3
///     }
///
///     fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
///         let cells = image.width() / 16;
///         let mut rows = Vec::new();
///         for cell in 0..cells * cells {
///             let (left, top) = (cell % cells * 16, cell / cells * 16);
///             for channel in 0..3 {
///                 let pixels = (0..256).filter_map(|p| image.pixel(left + p % 16, top + p / 16)).map(|pixel| pixel[channel]);
///                 rows.push(pixels.map(f32::from).sum::<f32>() / 256.0);
///             }
///         }
///         CellFeatures::new(cells as usize, 3, rows)
///     }
/// }
///
/// let features = MeanColour.features(&Picture::filled(64, 64, [10, 20, 30]))?;
/// assert_eq!((features.cells(), &features.rows()[..3]), (4, &[10.0, 20.0, 30.0][..]));
/// # Ok::<(), DetectError>(())
/// ```
pub trait Backbone {
    /// Features a cell.
    fn channels(&self) -> usize;

    /// Features of all cells of a letterboxed image: a square of the side that the head's settings ask for, or a rectangle where
    /// [`take_rectangles`](Backbone::take_rectangles) was asked for.
    ///
    /// # Errors
    /// Where the network cannot take the image or fails.
    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError>;

    /// Takes rectangles beside the square from now on: of sides up to that of the square that are multiples of the number that
    /// this gives, in pixels: the least common multiple of the strides of the maps.
    ///
    /// # Errors
    /// Where the network takes squares only, as every backbone does that does not override this.
    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        Err(DetectError::Backbone { backbone: self.describe(), problem: BackboneProblem::SquaresOnly })
    }

    /// How the channels are made up, for messages: `c4 112 + head 1280`.
    fn describe(&self) -> String {
        format!("{} channels", self.channels())
    }

    /// True where the network runs on a device of its own, so that the processor's cores are free to decode images.
    fn leaves_cores_free(&self) -> bool {
        false
    }
}

impl<B: Backbone + ?Sized> Backbone for &mut B {
    fn channels(&self) -> usize {
        (**self).channels()
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        (**self).features(image)
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        (**self).take_rectangles()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn leaves_cores_free(&self) -> bool {
        (**self).leaves_cores_free()
    }
}

impl<B: Backbone + ?Sized> Backbone for Box<B> {
    fn channels(&self) -> usize {
        (**self).channels()
    }

    fn features(&mut self, image: &Picture) -> Result<CellFeatures, DetectError> {
        (**self).features(image)
    }

    fn take_rectangles(&mut self) -> Result<u32, DetectError> {
        (**self).take_rectangles()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn leaves_cores_free(&self) -> bool {
        (**self).leaves_cores_free()
    }
}
