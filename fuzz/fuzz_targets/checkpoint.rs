//! The importer of checkpoints, as every layout and with what users say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::import::{self, ImportOptions, Layout, Norms};

fuzz_target!(|bytes: &[u8]| {
    let layouts = std::iter::once(None).chain(Layout::ALL.map(Some));
    let mut all: Vec<ImportOptions> = layouts.map(|layout| ImportOptions::default().layout(layout)).collect();
    all.push(ImportOptions::default().norms(Norms::LayerNorm { epsilon: 1e-5 }));
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    all.push(ImportOptions::default().norms(Norms::GroupNorm { groups: 2, epsilon: 1e-5 }).layers(list(&["0", "1", "2"])));
    all.push(ImportOptions::default().prefix("a,b".to_owned()));
    all.push(ImportOptions::default().prefix("head".to_owned()).layers(list(&["kan1", "layers"])));
    for options in all {
        if let Err(refusal) = import::from_bytes(bytes, &options) {
            assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
        }
    }
});
