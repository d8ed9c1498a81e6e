//! Networks in ONNX files, as far as shapes, constants and the plan of their kernels go.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sharekan::network::{Budget, Network, Side};
use sharekan::plan::Limits;

fuzz_target!(|bytes: &[u8]| {
    // As little as an input of this size can need, so that what asks for more shows.
    let budget = Budget::default().tensor(1 << 16).folded(1 << 18).work(1 << 24);
    let planned = Network::parse(bytes).and_then(|network| {
        // Open sides become 8.
        let shapes: Vec<(String, Vec<usize>)> = network
            .inputs()
            .iter()
            .map(|input| {
                let side = |side: &Side| if let Side::Fixed(side) = side { *side } else { 8 };
                (input.name.clone(), input.shape.iter().flatten().map(side).collect())
            })
            .collect();
        let sizes: Vec<(&str, &[usize])> =
            shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        network.resolve(&[], &sizes, &budget)?.plan(&Limits::default())
    });
    if let Err(refusal) = planned {
        assert!(!refusal.to_string().contains('\n'), "a refusal takes one line: {refusal}");
    }
});
