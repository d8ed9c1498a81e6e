//! One small set in the shapes that tools export it in: always the same boxes.

use std::path::Path;

use image::{ImageFormat, RgbImage};
use tempfile::TempDir;

use super::{AnnotatedSet, LeftOut, Orientation, SetOptions};

/// `a` is 10 x 8 with a dog, `b` 20 x 10 with a cat and a dog.
const SIZES: [(&str, [u32; 2]); 2] = [("a", [10, 8]), ("b", [20, 10])];

/// All objects: image, class, corners.
const OBJECTS: [(&str, &str, [f64; 4]); 3] =
    [("a", "dog", [2.0, 1.0, 6.0, 5.0]), ("b", "cat", [5.0, 2.0, 15.0, 8.0]), ("b", "dog", [0.0, 0.0, 4.0, 4.0])];

/// A set being made.
struct Set(TempDir);

impl Set {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn text(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn image(self, name: &str, [width, height]: [u32; 2]) -> Self {
        let mut bytes = std::io::Cursor::new(Vec::new());
        RgbImage::new(width, height).write_to(&mut bytes, ImageFormat::Png).unwrap();
        self.text(name, bytes.into_inner())
    }

    /// Both images as `pattern` names them, with `*` for the name.
    fn images(self, pattern: &str) -> Self {
        SIZES.iter().fold(self, |set, (name, size)| set.image(&pattern.replace('*', name), *size))
    }

    /// Both label files; `cat` is class 0 and `dog` class 1.
    fn labels(self, pattern: &str) -> Self {
        SIZES.iter().fold(self, |set, (name, size)| set.text(&pattern.replace('*', name), yolo(name, *size)))
    }

    fn voc(self, pattern: &str) -> Self {
        SIZES.iter().fold(self, |set, (name, size)| set.text(&pattern.replace('*', name), xml(name, *size, "")))
    }

    fn open_as(&self, data: &str, options: &SetOptions) -> Result<AnnotatedSet, String> {
        AnnotatedSet::open(&self.0.path().join(data), options).map_err(|problem| problem.to_string())
    }

    /// Reads it, and holds it against the objects.
    fn holds(self, data: &str, split: Option<&str>) -> AnnotatedSet {
        let options = SetOptions::default().split(split.map(str::to_owned));
        let set = self.open_as(data, &options).unwrap();
        assert_eq!(objects(&set), expected(), "{data}: {:?}", set.assumed);
        set
    }

    /// The refusal of it.
    fn refused(&self, data: &str, split: Option<&str>) -> String {
        let problem = self.open_as(data, &SetOptions::default().split(split.map(str::to_owned))).unwrap_err();
        assert!(!problem.contains('\n') && problem.len() < 1000, "{problem}");
        problem
    }
}

type Objects = Vec<(String, String, [i64; 4])>;

/// Corners in thousandths.
fn rounded(corners: [f64; 4]) -> [i64; 4] {
    corners.map(|corner| (corner * 1000.0).round() as i64)
}

fn expected() -> Objects {
    let mut all: Objects =
        OBJECTS.iter().map(|(image, class, at)| ((*image).into(), (*class).into(), rounded(*at))).collect();
    all.sort();
    all
}

fn objects(set: &AnnotatedSet) -> Objects {
    let mut all = Vec::new();
    for image in &set.truth.images {
        let stem = image.path.file_stem().unwrap().to_str().unwrap();
        let stem = stem.rsplit(['-', ' ']).next().unwrap().to_lowercase();
        for object in &image.objects {
            let class = set.truth.classes[object.class].clone();
            all.push((stem.clone(), class, rounded(object.region.to_corners())));
        }
    }
    all.sort();
    all
}

fn own(name: &str) -> impl Iterator<Item = &'static (&'static str, &'static str, [f64; 4])> {
    OBJECTS.iter().filter(move |(image, ..)| *image == name)
}

fn yolo(name: &str, [width, height]: [u32; 2]) -> String {
    let [w, h] = [width, height].map(f64::from);
    own(name)
        .map(|(_, class, [left, top, right, bottom])| {
            let number = usize::from(*class == "dog");
            let middle = [(left + right) / 2.0 / w, (top + bottom) / 2.0 / h];
            format!("{number} {} {} {} {}\n", middle[0], middle[1], (right - left) / w, (bottom - top) / h)
        })
        .collect()
}

fn xml(name: &str, [width, height]: [u32; 2], filename: &str) -> String {
    let objects: String = own(name)
        .map(|(_, class, [left, top, right, bottom])| {
            format!(
                "<object><name>{class}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax>\
                 <ymax>{bottom}</ymax></bndbox></object>"
            )
        })
        .collect();
    format!(
        "<annotation><filename>{filename}</filename><size><width>{width}</width><height>{height}</height></size>{objects}\
         </annotation>"
    )
}

/// A COCO file; `file_name` makes the name of an image of its letter.
fn coco(file_name: impl Fn(&str) -> String) -> String {
    let images: Vec<String> = SIZES
        .iter()
        .enumerate()
        .map(|(id, (name, [width, height]))| {
            let file = serde_json::to_string(&file_name(name)).unwrap();
            format!("{{\"id\": {id}, \"file_name\": {file}, \"width\": {width}, \"height\": {height}}}")
        })
        .collect();
    let annotations: Vec<String> = OBJECTS
        .iter()
        .map(|(image, class, [left, top, right, bottom])| {
            let (image, class) = (usize::from(*image == "b"), 1 + usize::from(*class == "dog"));
            let (width, height) = (right - left, bottom - top);
            format!("{{\"image_id\": {image}, \"category_id\": {class}, \"bbox\": [{left}, {top}, {width}, {height}]}}")
        })
        .collect();
    format!(
        "{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{{\"id\": 1, \"name\": \"cat\"}}, {{\"id\": 2, \
         \"name\": \"dog\"}}]}}",
        images.join(", "),
        annotations.join(", ")
    )
}

const NAMES: &str = "names: [cat, dog]\n";

fn yaml(rest: &str) -> String {
    format!("{rest}\n{NAMES}")
}

#[test]
fn yolo_sets_are_read_in_every_shape() {
    let ultralytics = || Set::new().images("images/val/*.png").labels("labels/val/*.txt");
    ultralytics().text("data.yaml", yaml("val: images/val")).holds("data.yaml", Some("val"));
    ultralytics().text("data.yaml", yaml("val: images/val")).holds("", None);
    ultralytics().text("d.yml", yaml("path: ../elsewhere\nval: [./images/val]\ntest:")).holds("d.yml", Some("val"));
    ultralytics().text("data.yaml", yaml("path: .\ntrain: x\nval: images\\val")).holds("", Some("validation"));
    ultralytics().text("classes.txt", "cat\r\ndog\r\n\r\n").holds("", Some("val"));
    ultralytics().text("labels/classes.txt", "cat\ndog").holds("", Some("val"));
    ultralytics().text("dataset.yaml", yaml("val: /content/drive/My set/images/val/")).holds("", None);
    // Roboflow: the folder above is not there.
    let roboflow = || Set::new().images("valid/images/*.png").labels("valid/labels/*.txt");
    roboflow().text("data.yaml", yaml("train: ../train/images\nval: ../valid/images\nnc: 2")).holds("", Some("valid"));
    roboflow().text("data.yaml", yaml("")).holds("", None);
    // Label Studio, LabelImg, Darknet of Roboflow and of CVAT.
    let studio = Set::new().images("images/*.png").labels("labels/*.txt").text("notes.json", "{\"categories\": []}");
    studio.text("classes.txt", "cat\ndog").holds("", None);
    Set::new().images("*.png").labels("*.txt").text("classes.txt", "cat\ndog\n").holds("", None);
    let darknet = Set::new().images("test/*.PNG").labels("test/*.txt").text("test/_darknet.labels", "cat\ndog");
    darknet.holds("", None);
    let cvat =
        || Set::new().images("obj_train_data/x/*.png").labels("obj_train_data/x/*.txt").text("obj.names", "cat\ndog");
    let data = "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n";
    let list = "data/obj_train_data/x/a.png\r\ndata/obj_train_data/x/b.png\r\n";
    cvat().text("obj.data", data).text("train.txt", list).holds("", Some("train"));
    cvat().text("obj.data", data).text("train.txt", list).holds("obj.data", None);
    // Lists of images.
    for list in ["./images/val/a.png\n./images/val/b.png", "\u{feff}images/val/a.png\r\n\r\n'images/val/b.png'\r\n"] {
        ultralytics().text("val.txt", list).text("data.yaml", yaml("val: val.txt")).holds("", None);
    }
    let windows = "D:\\sets\\x\\images\\val\\a.png\nD:\\sets\\x\\images\\val\\b.PNG\n";
    ultralytics().text("val.txt", windows).text("data.yaml", yaml("val: ['val.txt']")).holds("", None);
    let listed = yaml("val: [images/val/a.png, images/val/b.png]");
    ultralytics().text("data.yaml", listed).holds("", None);
    // Names that are numbered, quoted, with blanks, and in another order.
    for names in
        ["names:\n  1: dog\n  0: cat\n", "{\"val\": \"images/val\", \"names\": {\"0\": \"cat\", \"1\": \"dog\"}}"]
    {
        let names = if names.starts_with('{') { names.to_owned() } else { format!("val: images/val\n{names}") };
        ultralytics().text("data.yaml", names).holds("data.yaml", None);
    }
    // Outlines, a turned box, a pose, a byte order mark, endings in capitals.
    let one = || Set::new().images("images/*.PNG").text("data.yaml", yaml("test: images"));
    let b = yolo("b", [20, 10]);
    one().text("labels/a.txt", "1 0.2 0.125 0.6 0.3 0.4 0.625").text("labels/b.TXT", &b).holds("", None);
    one()
        .text("labels/a.txt", "\u{feff}1 .2 .125 .6 .125 .6 .625 .2 .625\r\n")
        .text("labels/b.txt", &b)
        .holds("", None);
    let pose = |line: &str| format!("{} 0.5 0.5 2\n", line.trim());
    let posed: String = b.lines().map(pose).collect();
    let set = Set::new().images("images/*.png").text("data.yaml", yaml("test: images\nkpt_shape: [1, 3]"));
    set.text("labels/a.txt", pose(&yolo("a", [10, 8]))).text("labels/b.txt", posed).holds("", None);
}

#[test]
fn yolo_sets_with_trouble_say_so() {
    let set = || Set::new().images("images/*.png").text("data.yaml", yaml("test: images"));
    let b = yolo("b", [20, 10]);
    let background = set().text("labels/b.txt", &b).open_as("", &SetOptions::default()).unwrap();
    assert_eq!(background.truth.images[0].objects.len(), 0);
    assert!(background.assumed[0].contains("without a label file is taken as background"), "{:?}", background.assumed);
    set().text("labels/b.txt", &b).text("labels/a.txt", " \n").open_as("", &SetOptions::default()).unwrap();
    let problem = set().refused("", None);
    assert!(problem.contains("none of the 2 images has a label file") && problem.contains("a.txt"), "{problem}");
    for (label, words) in [
        ("2 0.1 0.1 0.1 0.1", "line 1: YOLO label has the class 2, but there are 2 names, 0 to 1; --skip-bad"),
        ("dog 0.1 0.1 0.1 0.1", "has the class \"dog\""),
        ("1 4 3 4 4", "expected fractions of the image"),
        ("1 0.4 0.375 0.4 0.5 0.98", "a score behind the box"),
    ] {
        let bad = set().text("labels/a.txt", format!("{label}\n{}", yolo("a", [10, 8]))).text("labels/b.txt", &b);
        let problem = bad.refused("", None);
        assert!(problem.contains("a.txt: ") && problem.contains(words), "{problem}");
        let left = bad.open_as("", &SetOptions::default().skip_bad(true)).unwrap();
        assert_eq!((objects(&left), left.skipped.count), (expected(), 1), "{label}");
    }
    let twice = format!("{b}{b}");
    let left = set().labels("labels/*.txt").text("labels/b.txt", twice).holds("", None);
    assert!(left.assumed.iter().any(|line| line.contains("the same line twice")), "{:?}", left.assumed);
    let flipped = "1 0.4 0.375 -0.4 0.5";
    let left = set().text("labels/a.txt", flipped).text("labels/b.txt", &b).holds("", None);
    assert!(left.assumed.iter().any(|line| line.contains("corners put in order: 1 box")), "{:?}", left.assumed);
    let two = Set::new().images("t/*.png").labels("t/*.txt").text("data.yaml", yaml("train: t\nval: t"));
    assert!(two.refused("", None).contains("no split test, expected one of train, val"), "{}", two.refused("", None));
    let gone = Set::new().text("data.yaml", yaml("test: images/test"));
    assert!(gone.refused("", None).contains("--images DIR"), "{}", gone.refused("", None));
    let gone = Set::new().text("l.txt", "a.png\nb.png").text("data.yaml", yaml("test: l.txt"));
    assert!(gone.refused("", None).contains("none of the 2 images is there"), "{}", gone.refused("", None));
    let unnamed = Set::new().images("images/*.png").labels("labels/*.txt");
    assert!(unnamed.refused("", None).contains("classes.txt"), "{}", unnamed.refused("", None));
    // The images may lie elsewhere.
    let apart =
        Set::new().images("photos/*.png").labels("set/labels/test/*.txt").text("set/data.yaml", yaml("test: x"));
    let photos = apart.0.path().join("photos");
    let set = apart.open_as("set", &SetOptions::default().images(photos)).unwrap();
    assert_eq!(objects(&set), expected());
}

#[test]
fn coco_sets_are_read_in_every_shape() {
    let plain = || coco(|name| format!("{name}.png"));
    Set::new().images("*.png").text("_annotations.coco.json", plain()).holds("", None);
    Set::new().images("images/*.png").text("annotations/instances_default.json", plain()).holds("", None);
    let file = "annotations/instances_val2017.json";
    let two = || Set::new().images("images/val2017/*.png").images("images/train2017/*.png").text(file, plain());
    let set = two().text("annotations/person_keypoints_val2017.json", plain()).holds("", Some("val"));
    assert!(set.truth.images[0].path.ends_with("images/val2017/a.png"));
    two().text("annotations/instances_train2017.json", plain()).holds(file, None);
    let several = two().text("annotations/instances_train2017.json", plain()).refused("", Some("test"));
    assert!(several.contains("holds the COCO files") && several.contains("--data"), "{several}");
    Set::new().images("data/*.png").text("labels.json", plain()).holds("labels.json", None);
    let roboflow = Set::new().images("train/*.png").text("train/_annotations.coco.json", plain());
    roboflow.images("valid/*.png").text("valid/_annotations.coco.json", plain()).holds("", Some("val"));
    Set::new().images("set/images/*.png").text("set/result.json", plain()).holds("", None);
    for file_name in [
        "images\\*.png",
        "C:\\Users\\x\\*.PNG",
        "/data/local-files/?d=photos%5Cx/*.png",
        "https://host/b%20c/*.png?key=1",
        "/data/upload/3/0123abcd-*.png",
        "./*.png",
        "s3://bucket/*.png",
    ] {
        let file = coco(|name| file_name.replace('*', name));
        Set::new().images("deep/er/*.png").text("result.json", file).holds("result.json", None);
    }
    let spaced = coco(|name| format!("my%20photo-{name}.png"));
    Set::new().images("images/my photo-*.png").text("result.json", spaced).holds("", None);
    // Two images of one name are not the same.
    let same = coco(|name| format!("{name}/x.png"));
    let problem = Set::new().image("x.png", [10, 8]).text("a.json", &same).refused("a.json", None);
    assert!(problem.contains("would both be"), "{problem}");
    let either = Set::new().image("1/x.png", [10, 8]).image("2/x.png", [10, 8]).text("a.json", &same);
    assert!(either.refused("a.json", None).contains("could be"), "{}", either.refused("a.json", None));
    let own = Set::new().image("p/a/x.png", [10, 8]).image("p/b/x.png", [20, 10]).text("a.json", same);
    assert_eq!(own.open_as("a.json", &SetOptions::default()).unwrap().truth.object_count(), 3);
    // None, one and the wrong ones are there.
    let problem = Set::new().text("a.json", plain()).refused("a.json", None);
    assert!(problem.contains("none of the 2 images is there") && problem.contains("--images DIR"), "{problem}");
    let half = Set::new().image("a.png", [10, 8]).text("a.json", plain());
    let set = half.open_as("a.json", &SetOptions::default()).unwrap();
    assert_eq!((set.truth.images.len(), set.missing.count, set.skipped), (1, 1, LeftOut::default()));
    let set = half.open_as("a.json", &SetOptions::default().skip_bad(true)).unwrap();
    assert_eq!((set.truth.images.len(), set.missing.count, set.skipped.count), (1, 0, 1));
    let other = Set::new().image("a.png", [5, 4]).image("b.png", [20, 10]).text("a.json", plain()).holds("", None);
    assert!(other.assumed.iter().any(|line| line.contains("another size than annotated")), "{:?}", other.assumed);
    for (text, expected) in [
        ("[]", "a list"),
        ("{\"images\": [], \"annotations\": [], \"categories\": []}", "the set has no images"),
        ("{\"images\": 3}", "not a COCO instance file"),
    ] {
        let problem = Set::new().text("a.json", text).refused("a.json", None);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn voc_sets_are_read_in_every_shape() {
    let usual = || Set::new().images("JPEGImages/*.png").voc("Annotations/*.xml");
    usual().text("ImageSets/Main/test.txt", "a\nb").holds("", None);
    usual().text("ImageSets/Main/default.txt", "a\nb").holds("", None);
    usual().text("ImageSets/test.txt", "\"a\"\r\n'b'\r\n").holds("", Some("test"));
    usual().text("JPEGImages/val.txt", "a.png\nb.PNG\n").holds("", Some("val"));
    usual()
        .text("trainval.txt", "./JPEGImages/a.png ./Annotations/a.xml\nJPEGImages/b.png Annotations/b.xml")
        .holds("", None);
    usual().text("ImageSets/Main/test.txt", "C:\\VOC\\JPEGImages\\a.png\n/home/x/b.png\n").holds("", None);
    let classes = usual().text("ImageSets/Main/dog_test.txt", "a  1\nb -1\n").text("ImageSets/Main/test.txt", "a\nb");
    classes.holds("", None);
    usual().holds("", None);
    Set::new().images("VOC2007/JPEGImages/*.png").voc("VOC2007/Annotations/*.xml").holds("", None);
    Set::new().images("*.PNG").voc("*.XML").text("._a.xml", "junk").text("README.txt", "x").holds("", None);
    Set::new().images("images/*.png").voc("annotations/*.xml").text("labelmap.txt", "dog").holds("", None);
    let roboflow = Set::new().images("train/*.png").voc("train/*.xml").images("valid/*.png").voc("valid/*.xml");
    roboflow.holds("", Some("valid"));
    let deep = Set::new().images("JPEGImages/x/*.png").voc("Annotations/x/*.xml");
    deep.text("ImageSets/Main/test.txt", "x/a\nx/b").holds("", None);
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(xml("a", [10, 8], "").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    usual().text("Annotations/a.xml", utf16).holds("", None);
    let gbk =
        [b"<?xml version=\"1.0\" encoding=\"GBK\"?>".as_slice(), xml("a", [10, 8], "?").replace('?', "~").as_bytes()]
            .concat();
    let gbk: Vec<u8> =
        gbk.into_iter().flat_map(|byte| if byte == b'~' { vec![0xc4, 0xe3] } else { vec![byte] }).collect();
    let set = usual().text("Annotations/a.xml", gbk).holds("", None);
    assert!(set.assumed.iter().any(|line| line.contains("not UTF-8")), "{:?}", set.assumed);
    // Trouble.
    let gone = || Set::new().image("JPEGImages/a.png", [10, 8]).voc("Annotations/*.xml");
    let problem = gone().refused("", None);
    assert!(problem.contains("1 of 2 images are missing, the first is \"b\"; --skip-bad"), "{problem}");
    let left = gone().open_as("", &SetOptions::default().skip_bad(true)).unwrap();
    assert_eq!((left.truth.images.len(), left.skipped.count), (1, 1));
    let none = Set::new().voc("Annotations/*.xml").refused("", None);
    assert!(none.contains("none of the 2 images is there"), "{none}");
    let broken = usual().text("Annotations/c.xml", "<annotation>").image("JPEGImages/c.png", [3, 3]);
    assert!(broken.refused("", None).contains("c.xml: not XML"), "{}", broken.refused("", None));
    assert_eq!(objects(&broken.open_as("", &SetOptions::default().skip_bad(true)).unwrap()), expected());
    let cvat = Set::new().text("annotations.xml", "<annotations/>").image("a.png", [3, 3]);
    assert!(cvat.refused("", None).contains("CVAT"), "{}", cvat.refused("", None));
    assert!(usual().refused("Annotations/a.xml", None).contains("one annotation"));
    let nothing = Set::new().images("*.png");
    assert!(nothing.refused("", None).contains("no set"), "{}", nothing.refused("", None));
}

/// A JPEG of 10 x 8 stored pixels with an EXIF orientation.
fn turned(orientation: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(10, 8).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let bytes = bytes.into_inner();
    let exif =
        [b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation], &[0; 6]].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, 0xe1], &length, &exif, &bytes[2..]].concat()
}

#[test]
fn boxes_of_turned_photos_are_told_apart_by_their_sizes() {
    // The corners of a's box on the shown picture, worked out by hand for a stored one of 10 x 8.
    let shown: [[i64; 4]; 9] = [
        [0; 4],
        [2, 1, 6, 5],
        [4, 1, 8, 5],
        [4, 3, 8, 7],
        [2, 3, 6, 7],
        [1, 2, 5, 6],
        [3, 2, 7, 6],
        [3, 4, 7, 8],
        [1, 4, 5, 8],
    ];
    for orientation in 2..=8_u8 {
        let lies = orientation >= 5;
        let set = |size: [u32; 2]| Set::new().text("a.jpg", turned(orientation)).text("a.xml", xml("a", size, ""));
        let corners = |set: &Set, options: SetOptions| {
            let set = set.open_as("", &options).unwrap();
            (set.truth.images[0].objects[0].region.to_corners().map(|c| c as i64), set.assumed.join("\n"))
        };
        let stored = set([10, 8]);
        let (found, said) = corners(&stored, SetOptions::default());
        assert_eq!(found, [2, 1, 6, 5]);
        assert!(said.contains("--orientation stored"), "{orientation}: {said}");
        let (found, said) = corners(&stored, SetOptions::default().orientation(Orientation::Stored));
        assert_eq!(found, shown[usize::from(orientation)], "{orientation}");
        assert!(!said.contains("orientation"), "{said}");
        let (found, said) = corners(&stored, SetOptions::default().orientation(Orientation::Shown));
        assert_eq!((found, said.contains("orientation")), ([2, 1, 6, 5], false), "{said}");
        let upright = set([8, 10]);
        let (found, said) = corners(&upright, SetOptions::default());
        assert_eq!(found, [2, 1, 6, 5]);
        assert_eq!(said.contains("another size"), !lies, "{orientation}: {said}");
        assert!(!said.contains("--orientation"), "{said}");
        // Fractions are of the picture that is meant.
        let yolo = Set::new().text("images/a.jpg", turned(orientation)).text("data.yaml", yaml("test: images"));
        let yolo = yolo.text("labels/a.txt", self::yolo("a", [10, 8]));
        let (found, _) = corners(&yolo, SetOptions::default().orientation(Orientation::Stored));
        assert_eq!(found, shown[usize::from(orientation)], "{orientation}");
        let (_, said) = corners(&yolo, SetOptions::default());
        assert!(said.contains("--orientation stored"), "{said}");
    }
}

#[test]
fn what_is_a_set_is_told_from_a_folder_of_images() {
    let is = |set: &Set, data: &str| AnnotatedSet::is_set(&set.0.path().join(data));
    assert!(!is(&Set::new().images("*.png").voc("*.xml"), ""));
    assert!(!is(&Set::new().images("*.png"), ""));
    assert!(is(&Set::new().images("images/val/*.png").text("data.yaml", yaml("val: images/val")), ""));
    assert!(is(&Set::new().text("ImageSets/Main/train.txt", "a"), ""));
    assert!(!is(&Set::new().text("rows.safetensors", "a"), "rows.safetensors"));
    assert!(!AnnotatedSet::is_set(Path::new("no/such/path")));
}

#[test]
fn what_is_no_set_is_called_what_it_is() {
    let refused = |name: &str, text: &[u8], given: &str| Set::new().text(name, text).refused(given, None);
    for (name, text, given, expected) in [
        ("a.csv", b"filename,width,height".as_slice(), "a.csv", "a table (CSV), expected a COCO file"),
        ("a.zip", b"PK\x03\x04\x14\0\0\0\0\0", "a.zip", "a zip archive"),
        ("a.bin", b"\0\x01\x02", "a.bin", "no JSON, expected a COCO file"),
        ("d/a.csv", b"filename,width,height", "d", "tables (CSV) are not read"),
        ("d/a.tfrecord", b"\0", "d", "TFRecord is not read"),
        ("d/a.json", b"{\"version\": \"5\", \"shapes\": []}", "d", "LabelMe's own form"),
        ("d/p.json", b"[{\"annotations\": [{\"result\": []}]}]", "d", "Label Studio's own form"),
    ] {
        let problem = refused(name, text, given);
        assert!(problem.contains(expected), "{name}: {problem}");
    }
    let roboflow = "names: [dog, cat]\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\n";
    let set = Set::new().images("valid/images/*.png").text("valid/labels/a.txt", "").text("data.yaml", roboflow);
    let problem = set.refused("", None);
    assert!(
        problem.contains("test is \"../test/images\", which is not there") && problem.contains("or --split val"),
        "{problem}"
    );
}
