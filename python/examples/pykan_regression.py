"""A regression with pykan, compressed to a signal-to-noise ratio. Needs PyTorch and pykan (`pip install pykan`)."""

from __future__ import annotations

import numpy as np
import torch
from kan import KAN

import sharekan


def target(x: torch.Tensor) -> torch.Tensor:
    """A function of two variables, `[rows, 2]` to `[rows, 1]`."""
    return torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)


def main() -> None:
    """Fits, compresses and prints root mean squared errors."""
    torch.manual_seed(0)
    rows, test_rows = torch.rand(1000, 2) * 2 - 1, torch.rand(500, 2) * 2 - 1
    model = KAN(width=[2, 8, 1], grid=5, k=3, seed=0, auto_save=False)
    data = {"train_input": rows, "train_label": target(rows), "test_input": test_rows, "test_label": target(test_rows)}
    model.fit(data, opt="LBFGS", steps=20)

    small = sharekan.compress(model, calibrate=rows, target_snr=25)
    print(small.report)
    expected = target(test_rows).numpy()
    with torch.no_grad():
        dense = model(test_rows).numpy()
    for name, found in (("dense", dense), ("compressed", small.session()(test_rows.numpy()))):
        print(f"{name:10} rmse {np.sqrt(((found - expected) ** 2).mean()):.4f}")


if __name__ == "__main__":
    main()
