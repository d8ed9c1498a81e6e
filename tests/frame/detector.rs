//! The whole way of frames on the device, from images, textures and buffers to boxes.

use std::pin::pin;
use std::task::{Context, Waker};

use sharekan::detect::frame::{DeviceImage, FrameDetector, FrameOptions};
use sharekan::detect::{DetectOptions, Detection, HeadDetections, Picture};
use sharekan::head::Head;
use sharekan::run::Gpu;

use crate::device::storage;
use crate::letterbox::{noise, texture};
use crate::net::{Net, PLAIN, RESNET};
use crate::support::GPU;

/// Images of several sizes, one beyond what goes to the device as it is: patches of colour rather than noise, which
/// convolutions make grey.
pub(crate) fn images() -> Vec<Picture> {
    let sizes = [(160, 120), (90, 128), (128, 128), (400, 300), (60, 60), (160, 120)];
    let image = |(seed, &(width, height)): (usize, &(u32, u32))| {
        let colours = noise(width.div_ceil(8), height.div_ceil(8), seed as u64);
        let mut image = Picture::filled(width, height, [0; 3]);
        for (at, pixel) in image.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            *pixel = colours.pixel(x / 8, y / 8).unwrap();
        }
        image
    };
    sizes.iter().enumerate().map(image).collect()
}

pub(crate) fn options() -> FrameOptions {
    let detect = DetectOptions::default().score(0.45).nms(0.6);
    FrameOptions::default().detect(detect).image_pixels(160 * 120).candidates(2048)
}

/// Boxes of one image are the same: classes, places, scores.
pub(crate) fn assert_same(found: &[Detection], expected: &[Detection], score: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut free: Vec<&Detection> = expected.iter().collect();
    for own in found {
        let same = |other: &&Detection| {
            own.class == other.class && own.bounds.iou(other.bounds) >= 0.95 && (own.score - other.score).abs() <= score
        };
        let at = free.iter().position(same).unwrap_or_else(|| panic!("{what}: {own:?} is not among {free:?}"));
        free.swap_remove(at);
    }
}

/// Scores are off by at most `score`.
fn agrees(net: &Net, head: &Head, score: f32) {
    let mut device = net.on(&GPU, head, &options());
    let mut cpu = net.on_cpu(head, &options());
    let mut boxes = 0;
    for (at, image) in images().iter().enumerate() {
        device.submit(image).unwrap();
        let found = device.next().unwrap().unwrap();
        let (expected, _) = cpu.detect_by_head(image).unwrap();
        assert_eq!(found.len(), expected.len());
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_same(found, expected, score, &format!("{}, image {at}, head {number}", net.file));
            boxes += expected.len();
        }
        assert_eq!(device.detect(image).unwrap(), cpu_joined(&device, found), "{}, image {at}", net.file);
    }
    assert!(boxes >= 20, "{}: only {boxes} boxes to compare", net.file);
}

/// The boxes of all heads as the detector of one call gives them.
fn cpu_joined(device: &FrameDetector, found: Vec<HeadDetections>) -> Vec<Detection> {
    let (mut all, mut first) = (Vec::new(), 0);
    for (own, head) in found.iter().zip(device.heads()) {
        all.extend(own.iter().map(|detection| Detection { class: first + detection.class, ..*detection }));
        first += head.settings.classes.len();
    }
    all.sort_by(|a: &Detection, b: &Detection| b.score.total_cmp(&a.score));
    all
}

#[test]
fn boxes_are_those_of_the_cpu() {
    agrees(&PLAIN, &PLAIN.dense(3, 1), 1e-4);
    agrees(&RESNET, &RESNET.dense(2, 3), 1e-4);
    // Inputs are rounded to 1,024ths of an interval, some of them to the next one.
    agrees(&PLAIN, &PLAIN.integer(3, 2).into(), 1e-2);
}

#[test]
fn every_head_of_a_bank_finds_its_own() {
    agrees(&PLAIN, &PLAIN.bank(true), 1e-2);
    agrees(&PLAIN, &PLAIN.bank(false), 1e-4);
}

#[test]
fn frames_come_out_in_the_order_in_which_they_went_in() {
    let head = PLAIN.dense(3, 1);
    let mut one = PLAIN.on(&GPU, &head, &options());
    let mut several = PLAIN.on(&GPU, &head, &options().in_flight(3));
    let images = images();
    let expected: Vec<_> = images
        .iter()
        .map(|image| {
            one.submit(image).unwrap();
            one.next().unwrap().unwrap()
        })
        .collect();
    assert!(expected.iter().any(|found| *found != expected[0]));
    let mut found = Vec::new();
    for image in &images {
        if several.in_flight() == several.most_in_flight() {
            found.push(several.next().unwrap().unwrap());
        }
        several.submit(image).unwrap();
    }
    let text = several.submit(&images[0]).unwrap_err().to_string();
    assert!(text.starts_with("3 frames are on their way"), "{text}");
    assert!(several.detect(&images[0]).is_err());
    while let Some(next) = several.next().unwrap() {
        found.push(next);
    }
    assert_eq!(found, expected);
    assert_eq!(several.in_flight(), 0);
}

#[test]
fn work_that_is_cut_is_waited_for_and_blocks_nobody() {
    let head = PLAIN.dense(3, 1);
    let mut whole = PLAIN.on(&GPU, &head, &options());
    let mut cut = PLAIN.on(&GPU, &head, &options().submission_seconds(0.001));
    let mut context = Context::from_waker(Waker::noop());
    let mut waits = 0;
    for image in images() {
        // Whoever gives a frame up in the middle loses that frame alone.
        let given_up = pin!(cut.submit_async(&image)).poll(&mut context).is_pending();
        if !given_up {
            cut.next().unwrap();
        }
        {
            let mut sending = pin!(cut.submit_async(&image));
            while sending.as_mut().poll(&mut context).map(Result::unwrap).is_pending() {
                waits += 1;
                std::thread::yield_now();
            }
        }
        assert_eq!(cut.next().unwrap().unwrap(), [whole.detect(&image).unwrap()]);
        assert!(cut.next().unwrap().is_none());
    }
    // A millisecond is a million multiplications there.
    assert!(waits > 0 || !GPU.is_software());
}

#[test]
fn textures_buffers_and_encoders_of_the_caller_give_the_same_boxes() {
    // The caller's own device, as far as the detector knows.
    let gpu = Gpu::with_device(GPU.device().clone(), GPU.queue().clone(), GPU.info().clone());
    let head = PLAIN.dense(3, 1);
    let mut detector = PLAIN.on(&gpu, &head, &options());
    for image in images() {
        let expected = detector.detect(&image).unwrap();
        let texture = texture(&image, wgpu::TextureFormat::Bgra8UnormSrgb);
        assert_eq!(detector.detect_texture(&texture).unwrap(), expected);
        assert_eq!(detector.detect_texture(&texture).unwrap(), expected);

        let bytes: Vec<u8> = image.pixels().iter().flat_map(|&[r, g, b]| [r, g, b, 0]).collect();
        let buffer = storage(&bytes);
        let (width, height) = (image.width(), image.height());
        let in_buffer = DeviceImage { buffer: &buffer, width, height, bytes_per_row: 4 * width, bytes_per_pixel: 4 };
        let bound = [detector.bind_texture(&texture).unwrap(), detector.bind_buffer(&in_buffer).unwrap()];
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for bound in &bound {
            detector.record(&mut encoder, bound).unwrap();
        }
        assert!(detector.record(&mut encoder, &bound[0]).is_err());
        gpu.queue().submit([encoder.finish()]);
        for _ in &bound {
            assert_eq!(detector.next().unwrap().unwrap(), std::slice::from_ref(&expected));
        }
    }
}

#[test]
fn what_is_too_much_for_its_buffer_changes_nothing() {
    let head = PLAIN.dense(3, 1);
    let mut detector = PLAIN.on(&GPU, &head, &options());
    // Every image is letterboxed on the CPU, and every frame's outputs come back.
    let mut narrow = PLAIN.on(&GPU, &head, &options().candidates(1).image_pixels(0));
    assert!(narrow.device_bytes() < detector.device_bytes());
    for image in images() {
        let expected = detector.detect(&image).unwrap();
        assert!(expected.len() > 1);
        assert_eq!(narrow.detect(&image).unwrap(), expected);
    }
}

#[test]
fn a_changed_score_counts_from_the_next_frame_on() {
    let head = PLAIN.dense(3, 1);
    let mut detector = PLAIN.on(&GPU, &head, &options());
    let image = &images()[0];
    let all = detector.detect(image).unwrap();
    let bound = all[all.len() / 2].score;
    detector.set_options(options().detect.score(bound)).unwrap();
    let fewer = detector.detect(image).unwrap();
    assert!(fewer.len() < all.len() && !fewer.is_empty());
    assert!(fewer.iter().all(|found| found.score >= bound));
    assert!(detector.set_options(DetectOptions::default().score(2.0)).is_err());
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let mut head = PLAIN.dense(3, 1);
    let Head::Dense(dense) = &mut head else { unreachable!() };
    dense.detection.as_mut().unwrap().features = vec!["c3".into()];
    let opened = FrameDetector::open(&GPU, &PLAIN.network(), "net.onnx", &head, &options());
    assert_eq!(
        opened.unwrap_err().to_string(),
        "the backbone gives 32 features a cell (c3 32), but the head takes 80 inputs"
    );
    let Head::Dense(dense) = &mut head else { unreachable!() };
    dense.detection = None;
    let opened = FrameDetector::open(&GPU, &PLAIN.network(), "net.onnx", &head, &options());
    assert!(opened.unwrap_err().to_string().contains("no such metadata"));
}

#[test]
fn files_come_in_their_order_with_the_bad_ones_in_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let head = PLAIN.dense(3, 1);
    let mut detector = PLAIN.on(&GPU, &head, &options());
    let mut files = Vec::new();
    let mut expected = Vec::new();
    for (at, image) in images().into_iter().chain(images()).enumerate() {
        let path = folder.path().join(format!("{at}.png"));
        if at % 5 == 2 {
            std::fs::write(&path, "no image").unwrap();
            expected.push(None);
        } else {
            let (width, height) = (image.width(), image.height());
            image::save_buffer(&path, image.rgb(), width, height, image::ColorType::Rgb8).unwrap();
            detector.submit(&image).unwrap();
            expected.push(detector.next().unwrap().map(|found| (image, found)));
        }
        files.push(path);
    }
    let mut found = Vec::new();
    let report = detector.detect_files(&files, |at, item| {
        assert_eq!(at, found.len());
        found.push(item.ok());
        Ok::<(), ()>(())
    });
    assert_eq!(found, expected);
    let report = report.unwrap();
    assert_eq!(report.images, expected.iter().flatten().count());
    assert_eq!(report.stages.iter().map(|stage| stage.stage).collect::<Vec<_>>(), ["decode", "device", "boxes"]);

    // The same as a stream.
    let stream = files.iter().map(|file| sharekan::detect::read_image(file));
    found = Vec::new();
    let report = detector.detect_images(stream, |at, item| {
        assert_eq!(at, found.len());
        found.push(item.ok());
        Ok::<(), ()>(())
    });
    assert_eq!(found, expected);
    assert_eq!((report.unwrap().images, detector.in_flight()), (expected.iter().flatten().count(), 0));

    // Whoever ends it ends it, and the detector goes on.
    let ended = detector.detect_files(&files, |at, _| if at == 3 { Err(at) } else { Ok(()) });
    assert_eq!(ended.err(), Some(3));
    assert_eq!(detector.in_flight(), 0);
    assert!(detector.detect(&images()[0]).is_ok());
}

/// A network whose features leave the range of f32 where an image is bright, and a head that clamps what comes to it.
#[test]
fn features_that_are_not_finite_are_no_result() {
    use crate::support::networks::graphs::Graph;
    let bytes = Graph::new(17)
        .input("input", &[1, 3, 32, 32])
        .output("c4")
        .floats("large", &[1], &[3e38])
        .node("Mul", &["input", "large"], &["product"], &[])
        .node("Mul", &["product", "product"], &["c4"], &[])
        .bytes();
    let network = sharekan::network::Network::parse(&bytes).unwrap();
    let config = sharekan::head::DetectionConfig::default()
        .classes(vec!["a".into()])
        .input_size(32)
        .stride(1)
        .features(vec!["c4".into()]);
    let mut head = crate::support::dense_head(&[3, 6], 1);
    head.detection = Some(config);
    let mut detector = FrameDetector::open(&GPU, &network, "net.onnx", &Head::Dense(head), &options()).unwrap();
    let expected = "backbone net.onnx: gives features that are not finite, in f32";
    // Grey is 0 or next to it in the network's numbers, so the second frame shows that the flag is taken back.
    for (pixel, finite) in [(255, false), (127, true), (0, false)] {
        detector.submit(&Picture::filled(32, 32, [pixel; 3])).unwrap();
        match detector.next() {
            Ok(_) => assert!(finite, "{pixel}"),
            Err(problem) => {
                assert!(!finite, "{pixel}");
                assert_eq!(problem.to_string(), expected);
            }
        }
    }
}
