"""A classifier of 8 x 8 digits-like images with efficient-kan: trained, compressed, compared, exported.

Needs PyTorch and efficient-kan (https://github.com/Blealtan/efficient-kan).
"""

from __future__ import annotations

import torch
from efficient_kan import KAN

import sharekan

CLASSES, SIDE = 10, 8


def images(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Blurred patterns, one a class, moved by noise: `[count, 64]` from -1 to 1, and their classes."""
    patterns = torch.rand(CLASSES, SIDE * SIDE, generator=torch.Generator().manual_seed(7)) * 2 - 1
    classes = torch.randint(CLASSES, (count,), generator=generator)
    noise = 0.6 * torch.randn(count, SIDE * SIDE, generator=generator)
    return (patterns[classes] + noise).clamp(-1, 1), classes


def accuracy(outputs: torch.Tensor, classes: torch.Tensor) -> float:
    """Share of rows whose class has the largest output."""
    return float((outputs.argmax(1) == classes).float().mean())


def main() -> None:
    """Trains for some seconds and prints accuracies and sizes."""
    generator = torch.Generator().manual_seed(0)
    rows, classes = images(4000, generator)
    test_rows, test_classes = images(1000, generator)
    model = KAN([SIDE * SIDE, 48, CLASSES])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(rows), classes)
        loss.backward()
        optimizer.step()

    small = sharekan.compress(model, calibrate=rows, codebook=64)
    print(small.report)
    small.save("digits.safetensors")
    small.export_onnx("digits.onnx")
    with torch.no_grad():
        print(f"dense      {accuracy(model(test_rows), test_classes):.3f}")
    print(f"compressed {accuracy(small.session()(test_rows), test_classes):.3f}")


if __name__ == "__main__":
    main()
