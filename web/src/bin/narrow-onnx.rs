//! Writes an ONNX network with its weights in f16 and what some outputs need alone:
//! `narrow-onnx IN.onnx OUT.onnx [OUTPUT..]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, outputs @ ..] = arguments.as_slice() else {
        eprintln!("usage: narrow-onnx IN.onnx OUT.onnx [OUTPUT..]");
        return ExitCode::from(2);
    };
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let done = std::fs::read(from).map_err(|error| format!("{from}: {error}")).and_then(|bytes| {
        let narrow = sharekan_web::half_weights::narrow(&bytes, &outputs);
        let narrow =
            narrow.ok_or_else(|| format!("{from}: no ONNX network that has the outputs {}", outputs.join(", ")))?;
        std::fs::write(to, narrow).map_err(|error| format!("{to}: {error}"))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}
