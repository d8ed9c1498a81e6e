//! Images in rectangles of their own: the same boxes on the device as on the CPU.

use sharekan::detect::frame::{FrameDetectors, NetworkBackbone};
use sharekan::detect::{Backbone, Detector, Letterbox, OnnxBackbone, Picture};
use sharekan::head::{Head, InputShape};
use sharekan::run::CpuSession;

use crate::detector::{assert_same, images, options};
use crate::letterbox::noise;
use crate::net::{ANY_SIZE, PLAIN};
use crate::support::{GPU, error};

fn on_cpu(head: &Head) -> Detector<OnnxBackbone, CpuSession> {
    let mut settings = head.detection().unwrap().clone();
    let mut backbone = OnnxBackbone::open(&ANY_SIZE.path(), &settings).unwrap();
    settings.shape = InputShape::Rectangle(backbone.take_rectangles().unwrap());
    Detector::new(backbone, CpuSession::new(head.clone()), settings, options().detect).unwrap()
}

fn on_device(head: &Head) -> FrameDetectors {
    FrameDetectors::open_rectangles(&GPU, &ANY_SIZE.network(), ANY_SIZE.file, head, &options()).unwrap()
}

#[test]
fn boxes_in_rectangles_are_those_of_the_cpu() {
    let head = ANY_SIZE.dense(3, 1);
    let (mut cpu, mut device) = (on_cpu(&head), on_device(&head));
    let mut boxes = 0;
    for (at, image) in images().iter().enumerate() {
        let (expected, _) = cpu.detect(image).unwrap();
        let detector = device.for_image(image.width(), image.height()).unwrap();
        assert_same(&detector.detect(image).unwrap(), &expected, 1e-4, &format!("image {at}"));
        boxes += expected.len();
    }
    assert!(boxes >= 20, "only {boxes} boxes to compare");
    // 160 x 120 and 400 x 300 are 128 x 96, 90 x 128 is 96 x 128; the last image was of the first size.
    assert_eq!(device.open_sides(), [[128, 96], [128, 128], [96, 128]]);
}

#[test]
fn a_square_image_is_found_in_as_without_rectangles() {
    let head = ANY_SIZE.dense(3, 1);
    let image = &images()[2];
    let expected = ANY_SIZE.on(&GPU, &head, &options()).detect(image).unwrap();
    assert!(!expected.is_empty());
    let mut device = on_device(&head);
    assert_eq!(device.for_image(128, 128).unwrap().detect(image).unwrap(), expected);
    let expected = ANY_SIZE.on_cpu(&head, &options()).detect(image).unwrap().0;
    assert_eq!(on_cpu(&head).detect(image).unwrap().0, expected);
}

#[test]
fn features_of_rectangles_are_those_of_the_cpu() {
    let config = ANY_SIZE.config(1);
    let mut device = NetworkBackbone::open(&GPU, &ANY_SIZE.network(), ANY_SIZE.file, &config).unwrap();
    let mut cpu = OnnxBackbone::open(&ANY_SIZE.path(), &config).unwrap();
    assert!(device.features(&noise(128, 96, 1)).is_err() && cpu.features(&noise(128, 96, 1)).is_err());
    // The coarser map has a value for 16 pixels.
    assert_eq!((device.take_rectangles().unwrap(), cpu.take_rectangles().unwrap()), (16, 16));
    for (seed, (width, height)) in (1..).zip([(128, 96), (16, 128), (128, 128), (48, 128), (128, 64), (128, 96)]) {
        let image = noise(width, height, seed);
        let (found, expected) = (device.features(&image).unwrap(), cpu.features(&image).unwrap());
        assert_eq!(found.grid(), [width as usize / 8, height as usize / 8]);
        assert_eq!((found.grid(), found.channels()), (expected.grid(), expected.channels()));
        let error = error(found.rows(), expected.rows());
        assert!(error <= 1e-5, "{width}x{height}: {error:.1e} of the largest");
    }
    for (width, height) in [(128, 24), (120, 128), (144, 128), (128, 256)] {
        assert!(device.features(&noise(width, height, 1)).is_err(), "{width}x{height}");
        assert!(cpu.features(&noise(width, height, 1)).is_err(), "{width}x{height}");
    }
}

#[test]
fn mixed_images_come_in_their_order_and_few_shapes_are_kept() {
    let head = ANY_SIZE.dense(3, 1);
    let landscape = [(128, 128), (128, 96), (128, 64), (128, 32), (128, 16), (128, 80)];
    let sizes = [&landscape[..], &landscape.map(|(width, height)| (height, width)), &[(128, 96), (260, 200)]].concat();
    let images: Vec<Picture> =
        (1..).zip(sizes.clone()).map(|(seed, (width, height))| noise(width, height, seed)).collect();
    let mut cpu = on_cpu(&head);
    let mut device = on_device(&head);
    let mut seen = 0;
    let report = device.detect_images(images.iter().cloned().map(Ok), |at, item| {
        assert_eq!(at, seen);
        let (image, found) = item.unwrap();
        assert_eq!(image, images[at]);
        assert_same(&found[0], &cpu.detect(&image).unwrap().0, 1e-4, &format!("image {at}"));
        seen += 1;
        Ok::<(), ()>(())
    });
    assert_eq!((report.unwrap().images, device.open_sides().len()), (sizes.len(), 8));
    // 200 * 128 / 260 is 98, which 112 holds.
    assert_eq!(device.open_sides()[0], [128, 112]);
}

#[test]
fn a_network_of_fixed_sides_is_refused_by_name() {
    let expected = "backbone conv_no_bias: input 'input' is [1,3,128,128], expected a height and a width that the file leaves \
                    open: without them it takes no --rect";
    let head = PLAIN.dense(3, 1);
    let settings = head.detection().unwrap();
    let opened = FrameDetectors::open_rectangles(&GPU, &PLAIN.network(), PLAIN.file, &head, &options());
    assert_eq!(opened.err().unwrap().to_string(), expected);
    let mut device = NetworkBackbone::open(&GPU, &PLAIN.network(), PLAIN.file, settings).unwrap();
    assert_eq!(device.take_rectangles().unwrap_err().to_string(), expected);
    let bytes = std::fs::read(PLAIN.path()).unwrap();
    let mut cpu = OnnxBackbone::from_bytes(bytes, PLAIN.file, settings).unwrap();
    assert_eq!(cpu.take_rectangles().unwrap_err().to_string(), expected);
    // What it takes is as before.
    assert!(cpu.features(&noise(128, 128, 1)).is_ok() && cpu.features(&noise(128, 96, 1)).is_err());
    assert_eq!(Letterbox::of(160, 120, settings).unwrap().sides, [128, 128]);
}
