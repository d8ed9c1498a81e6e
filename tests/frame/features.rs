//! Maps joined to rows on the device, as on the CPU.

use sharekan::detect::frame::{DeviceFeatures, DeviceMap};
use sharekan::detect::{CellFeatures, DetectError, FeatureMap};
use sharekan::head::PixelPreparation;
use sharekan::network::DeviceTensor;

use crate::device::{read_numbers, run_pass, storage};
use crate::letterbox::config;
use crate::support::{GPU, Random};

#[test]
fn maps_of_any_layout_become_the_rows_of_the_cpu() {
    // 6 x 6 cells; a map of their own, with channels next to each other and something before it; one a third as fine, in
    // planes; one of a single value, its channels from the last to the first.
    let settings = config(24, PixelPreparation::default());
    let random = &mut Random::new(3);
    let shapes = [[1, 70, 6, 6], [1, 3, 2, 2], [1, 5, 1, 1]];
    let strides: [[isize; 4]; 3] = [[2520, 1, 420, 70], [12, 4, 2, 1], [5, -1, 1, 1]];
    let offsets = [9, 0, 4];
    let stored: Vec<Vec<f32>> = [2529, 12, 5].map(|count| random.many(count)).into();
    let planes: Vec<Vec<f32>> = (0..3)
        .map(|at| {
            let [_, channels, height, width] = shapes[at];
            let place = |c: usize, y: usize, x: usize| {
                let steps = [c, y, x].into_iter().zip(&strides[at][1..]).map(|(n, step)| n as isize * step);
                stored[at][(offsets[at] as isize + steps.sum::<isize>()) as usize]
            };
            (0..channels * height * width).map(|n| place(n / (height * width), n / width % height, n % width)).collect()
        })
        .collect();
    let names = ["fine", "coarse", "one"];
    let of_host = |at: usize| {
        let [_, channels, height, width] = shapes[at];
        FeatureMap { name: names[at], channels, height, width, values: &planes[at] }
    };
    let expected = CellFeatures::join(&[0, 1, 2].map(of_host), &settings, "test").unwrap();

    let buffers: Vec<wgpu::Buffer> = stored.iter().map(|values| storage(bytemuck::cast_slice(values))).collect();
    let map = |at: usize| DeviceMap {
        name: names[at],
        tensor: DeviceTensor { buffer: &buffers[at], offset: offsets[at], shape: &shapes[at], strides: &strides[at] },
    };
    let features = DeviceFeatures::open(&GPU, &[0, 1, 2].map(map), &settings, "test").unwrap();
    assert_eq!((features.cells(), features.channels()), (6, 78));
    run_pass(|pass| features.record_in(pass));
    assert_eq!(read_numbers(features.rows()), expected.rows());
}

#[test]
fn maps_that_do_not_fit_the_cells_are_refused() {
    let buffer = storage(&[0; 4 * 64]);
    let refusal = |shape: &[usize]| {
        let tensor = DeviceTensor { buffer: &buffer, offset: 0, shape, strides: &[0; 4][..shape.len()] };
        let map = DeviceMap { name: "c3", tensor };
        let opened = DeviceFeatures::open(&GPU, &[map], &config(24, PixelPreparation::default()), "net.onnx");
        opened.map(|_| ()).map_err(|e: DetectError| e.to_string()).unwrap_err()
    };
    assert_eq!(
        refusal(&[1, 1, 4, 4]),
        "backbone net.onnx: output 'c3' is 4x4 at 24 pixels, expected 6x6 (stride 4) or a whole fraction of it"
    );
    let shape = "backbone net.onnx: output 'c3' is [1, 7], expected [1, channels, height, width]";
    assert_eq!(refusal(&[1, 7]), shape);
    assert!(refusal(&[2, 1, 6, 6]).contains("[2, 1, 6, 6]"));
    assert!(refusal(&[1, 1, 6, 3]).contains("3x6"));
}
