"""Makes the small images beside this file and expected.json, with Pillow (13.0) as the judge of what they show.

Run in this folder: python3 make_images.py
"""
import json

from PIL import Image, ImageOps

COLOURS = [(220, 40, 30), (30, 180, 60), (40, 60, 200), (230, 210, 40)]  # corners: upper left, upper right, lower left, lower right
WIDTH, HEIGHT = 32, 16


def corners(mode="RGB"):
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for at, colour in enumerate(COLOURS):
        image.paste(colour, (at % 2 * WIDTH // 2, at // 2 * HEIGHT // 2, WIDTH, HEIGHT))
    return image.convert(mode)


def with_alpha(mode):
    image = corners(mode)
    image.putalpha(Image.linear_gradient("L").resize((WIDTH, HEIGHT)))
    return image


def main():
    expected = {}

    def save(name, image, tolerance, **options):
        image.save(name, **options)
        shown = ImageOps.exif_transpose(Image.open(name)).convert("RGB")
        width, height = shown.size
        points = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
        expected[name] = {"size": [width, height], "tolerance": tolerance,
                          "pixels": [[x, y, *shown.getpixel((x, y))] for x, y in points]}

    jpeg = dict(quality=95, subsampling=0)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"orientation_{orientation}.jpg", corners(), 3, exif=exif, **jpeg)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("orientation_6.png", corners(), 0, exif=exif)
    save("orientation_6.webp", corners(), 0, exif=exif, lossless=True)
    save("progressive.jpg", corners(), 3, progressive=True, **jpeg)
    save("subsampled.jpg", corners(), 6, quality=90, subsampling=2)
    save("grey.jpg", corners("L"), 3, quality=95)
    save("cmyk.jpg", corners("CMYK"), 6, quality=95)
    save("grey.png", corners("L"), 0)
    save("bits.png", corners("1"), 0)
    save("palette.png", corners().quantize(4), 0)
    save("grey_alpha.png", with_alpha("L"), 0)
    save("alpha.png", with_alpha("RGB"), 0)
    save("lossy.webp", corners(), 10, quality=95)
    save("alpha.webp", with_alpha("RGB"), 0, lossless=True, exact=True)
    # A picture of many frequencies, letterboxed to smaller and larger squares.
    source = Image.new("RGB", (61, 47))
    source.putdata([(x * x * y % 256, (x * 7 + y * y) % 256, x * y % 256) for y in range(47) for x in range(61)])
    source.save("letterbox_source.png")
    for side in (32, 100):
        scale = side / max(source.size)
        size = [round(length * scale) for length in source.size]
        square = Image.new("RGB", (side, side), (114,) * 3)
        square.paste(source.resize(size, Image.BILINEAR), tuple((side - length) // 2 for length in size))
        square.save(f"letterbox_{side}.png")
    lines = (f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in expected.items())
    open("expected.json", "w").write("{\n" + ",\n".join(lines) + "\n}\n")


main()
