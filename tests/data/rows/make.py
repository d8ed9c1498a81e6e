"""Rows with targets, and what scikit-learn says of the outputs of the libraries for them.

    pip install numpy scikit-learn safetensors
    python tests/data/rows/make.py

Heads and their outputs are fixtures of tests/data/fixtures/public; the outputs are the library's own, in float64.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from sklearn.metrics import accuracy_score, mean_squared_error, r2_score, top_k_accuracy_score

here = Path(__file__).parent
fixtures = here.parent / "fixtures" / "public"
rng = np.random.default_rng(5)
expected = {}

digits = load_file(fixtures / "fast-kan_trained_digits.io.safetensors")
inputs, outputs = digits["input"], digits["output_f64"]
order = np.argsort(-outputs, axis=1)
# Every class of a rank that is drawn, so that neither figure is 0 or 100.
classes = order[np.arange(len(order)), rng.choice(10, len(order), p=[0.5, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.04, 0.03, 0.03])]
np.savez(here / "digits.npz", input=inputs.astype(np.float64), target=classes)
np.savez_compressed(here / "digits-compressed.npz", input=inputs, target=classes)
np.save(here / "digits-input.npy", np.asfortranarray(inputs.astype(">f8")))
np.save(here / "digits-target.npy", classes.astype(np.uint8))
np.save(here / "digits-one-hot.npy", np.eye(10, dtype=np.float32)[classes])
np.save(here / "digits-from-one.npy", classes + 1)
expected["digits"] = {
    "top1": 100 * accuracy_score(classes, outputs.argmax(axis=1)),
    "top5": 100 * top_k_accuracy_score(classes, outputs, k=5, labels=np.arange(10)),
}

wine = load_file(fixtures / "efficient-kan_trained_wine.io.safetensors")
inputs, outputs = wine["input"], wine["output_f64"]
targets = outputs + rng.normal(size=outputs.shape) * outputs.std(axis=0) * [0.1, 0.5, 1.2]
save_file({"input": inputs, "target": targets}, here / "wine.safetensors")
expected["wine"] = {
    "r2": r2_score(targets, outputs),
    "r2_outputs": list(r2_score(targets, outputs, multioutput="raw_values")),
    "rmse": float(np.sqrt(mean_squared_error(targets, outputs))),
}

diabetes = load_file(fixtures / "efficient-kan_updategrid_diabetes.io.safetensors")
inputs, outputs = diabetes["input"], diabetes["output_f64"]
targets = outputs[:, 0] + rng.normal(size=len(outputs)) * outputs.std() * 0.3
save_file({"input": inputs, "target": targets}, here / "diabetes.safetensors")
expected["diabetes"] = {
    "r2": r2_score(targets, outputs[:, 0]),
    "rmse": float(np.sqrt(mean_squared_error(targets, outputs[:, 0]))),
}
(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
