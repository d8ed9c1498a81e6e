//! One frame of the bundled backbone and head, whose features and boxes the training side computed.

use sharekan::detect::frame::{FrameDetector, FrameOptions};
use sharekan::detect::{Detector, ImageDetections, OnnxBackbone, read_image};
use sharekan::head::Head;
use sharekan::network::Network;
use sharekan::run::CpuSession;

use crate::agreement::Agreement;
use crate::data::{bccd_head, bccd_image, golden_detections, path};
use crate::detector::assert_same;
use crate::support::GPU;

#[test]
fn a_whole_frame_gives_the_golden_detections() {
    let file = path("assets/backbone/efficientnet_lite0.onnx");
    let network = Network::load(&file).unwrap();
    let head = Head::Dense(bccd_head());
    let classes = head.detection().unwrap().classes.clone();
    let options = FrameOptions::default();
    let mut detector = FrameDetector::open(&GPU, &network, "lite0", &head, &options).unwrap();
    let name = "BloodImage_00007";
    let image = read_image(&bccd_image(name)).unwrap();
    let found = detector.detect(&image).unwrap();
    let settings = head.detection().unwrap().clone();
    let backbone = OnnxBackbone::open(&file, &settings).unwrap();
    let mut cpu = Detector::new(backbone, CpuSession::new(head.clone()), settings, options.detect).unwrap();
    assert_same(&found, &cpu.detect(&image).unwrap().0, 1e-4, name);

    // A JPEG decoder of another kind gave the training side other pixels.
    let found = ImageDetections::new(name.into(), image.width(), image.height(), &found, &classes);
    let mut agreement = Agreement::default();
    agreement.add(&golden_detections()[name], &found.detections, 0.5);
    assert!(agreement.expected == 17 && agreement.found >= 16 && agreement.extra <= 1, "{agreement:?}");
}
