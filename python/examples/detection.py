"""Blood cells on the bundled images, with the bundled head compressed. Run it in a clone, or with SHAREKAN_ASSETS set."""

from __future__ import annotations

import sharekan


def main() -> None:
    """Compresses the head, finds cells on the four images and prints how many of each class."""
    head = sharekan.compress(sharekan.assets.fetch("head"), preset="small")
    print(head)
    detector = sharekan.Detector(head, sharekan.assets.fetch("backbone"))
    for at, boxes in enumerate(detector.detect(sharekan.assets.fetch("images"))):
        counts = {name: sum(box["class"] == name for box in boxes) for name in detector.classes}
        print(at, counts, f"{boxes[0]['score']:.2f}" if boxes else "")


if __name__ == "__main__":
    main()
