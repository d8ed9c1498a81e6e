//! The compressed heads that come with a clone: small, whole, and ready for frames of the bundled backbone.

use sharekan::Head;

const CLASSES: [(&str, &[&str]); 3] = [
    ("bccd", &["WBC", "RBC", "Platelets"]),
    ("cards", &["ace", "jack", "king", "nine", "queen", "ten"]),
    ("raccoon", &["raccoon"]),
];

fn path(name: &str) -> String {
    format!("{}/assets/heads/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_head_takes_less_than_a_megabyte() {
    for (name, classes) in &CLASSES[1..] {
        let bytes = std::fs::metadata(path(name)).unwrap().len();
        assert!(bytes < 1_000_000, "{name}: {bytes} bytes");
        let head = Head::load(path(name)).unwrap();
        let config = head.detection().unwrap();
        assert_eq!((config.classes.as_slice(), config.input_size), (&classes.map_to_strings()[..], 416), "{name}");
        assert_eq!(config.features, ["c4", "head"], "{name}");
    }
}

#[test]
fn the_bank_has_all_three() {
    let bytes = std::fs::metadata(path("bank")).unwrap().len();
    assert!(bytes < 3 * 1_000_000, "{bytes} bytes");
    let bank = Head::load(path("bank")).unwrap();
    let members = bank.bank().unwrap().members();
    assert_eq!(members.len(), CLASSES.len());
    for (member, (name, classes)) in members.iter().zip(CLASSES) {
        assert_eq!(member.name, name);
        assert_eq!(member.head.detection.as_ref().unwrap().classes, classes.map_to_strings(), "{name}");
    }
}

trait Strings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|name| (*name).to_owned()).collect()
    }
}
