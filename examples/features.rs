//! Writes the backbone's features of the images of a VOC split, to study the compiler on.
//!
//! ```text
//! cargo run --release --example features -- HEAD.safetensors BACKBONE.onnx VOC_FOLDER SPLIT CELLS OUT.safetensors
//! ```
//!
//! Of every image as many cells as asked for are taken, evenly spread and elsewhere in every image. The file holds the tensor
//! `input`, `[rows, inputs]` F32, as `sharekan run` and `sharekan compile --calibrate` read it.

use std::error::Error;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use sharekan::detect::{Backbone, Letterbox, OnnxBackbone, read_image};
use sharekan::evaluate::ground_truth::GroundTruth;
use sharekan::files::{self, INPUT_TENSOR};
use sharekan::import::{self, ImportOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [head, backbone, folder, split, cells, out] = &arguments[..] else {
        return Err("expected HEAD BACKBONE VOC_FOLDER SPLIT CELLS OUT".into());
    };
    let cells: usize = cells.parse()?;
    let head = import::from_file(Path::new(head), &ImportOptions::default())?.head;
    let settings = head.detection.as_ref().ok_or("the head is no detection head")?;
    let mut backbone = OnnxBackbone::open(Path::new(backbone), settings)?;
    let mut rows: Vec<f32> = Vec::new();
    for (at, image) in GroundTruth::read(Path::new(folder), split, None)?.images.iter().enumerate() {
        let pixels = read_image(&image.path)?;
        let letterbox = Letterbox::new(pixels.width(), pixels.height(), settings.input_size)?;
        let features = backbone.features(&letterbox.apply(&pixels, settings.pixels.padding)?)?;
        let all: Vec<&[f32]> = features.rows().chunks_exact(head.inputs()).collect();
        let step = all.len().div_ceil(cells).max(1);
        all.iter().skip(at % step).step_by(step).for_each(|row| rows.extend_from_slice(row));
    }
    let shape = vec![rows.len() / head.inputs(), head.inputs()];
    println!("{} rows", shape[0]);
    let tensor = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(&rows))?;
    files::replace(Path::new(out), &safetensors::serialize([(INPUT_TENSOR, tensor)], None)?)?;
    Ok(())
}
