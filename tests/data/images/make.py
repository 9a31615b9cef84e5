#!/usr/bin/env python3
"""Makes the images of this folder, and reference.txt: what Pillow reads from them.

    make.py [FOLDER_OF_COCO_MINI_IMAGES]

Pillow 12.1 or earlier (its resize sums in another order later). Each line of reference.txt is
`name width height sha256`, the hash being that of the RGB bytes. Names that are no files:
`resize W H TO_W TO_H` for the pattern of pattern(), `orientation N` for base.jpg turned.
"""
import hashlib
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

HERE = pathlib.Path(__file__).parent
reference = []


def pattern(width, height):
    """Reproduced by fill_pattern() in tests/data/image_files.h."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (((x * 7 + y * 13 + c * 29) ^ (x * y)) & 255).astype(np.uint8)


def smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 2 + y, y * 4, x * x // 40 + y], -1).astype(np.uint8)


def record(name, image):
    pixels = np.asarray(image)
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    reference.append(f"{name} {pixels.shape[1]} {pixels.shape[0]} {digest}")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color_type, interlace, raw):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9))
            + chunk(b"IEND", b""))


def interlaced_png(pixels):
    """Adam7; Pillow cannot write it."""
    raw = b""
    for x, y, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                         (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in pixels[y::dy, x::dx]:
            if row.size:
                raw += b"\0" + row.tobytes()
    return png(pixels.shape[1], pixels.shape[0], 8, 2, 1, raw)


def save(name, data):
    (HERE / name).write_bytes(data)


def save_image(name, image, **options):
    out = io.BytesIO()
    image.save(out, pathlib.Path(name).suffix[1:].replace("jpg", "jpeg"), **options)
    save(name, out.getvalue())


def make_jpeg(rgb):
    save_image("base.jpg", rgb, quality=70)
    save_image("sampling444.jpg", rgb, subsampling="4:4:4")
    save_image("sampling422.jpg", rgb, subsampling="4:2:2")
    save_image("progressive.jpg", rgb, progressive=True)
    save_image("restart.jpg", rgb, restart_marker_blocks=3)
    save_image("rgb.jpg", rgb, keep_rgb=True)
    save_image("grey.jpg", rgb.convert("L"))
    save_image("cmyk.jpg", rgb.convert("CMYK"))
    # arithmetic.jpg is base.jpg through `jpegtran -arithmetic`.


def make_png(rgb):
    save_image("rgb.png", rgb)
    save_image("grey.png", rgb.convert("L"))
    save_image("grey1.png", rgb.convert("1"))
    save_image("grey_alpha.png", rgb.convert("LA"))
    rgba = rgb.convert("RGBA")
    rgba.putalpha(rgb.convert("L"))
    save_image("rgba.png", rgba)
    save_image("palette.png", rgb.quantize(50))
    save_image("palette4.png", rgb.quantize(9), bits=4)
    save_image("palette_trns.png", rgb.quantize(20), transparency=bytes(range(20)))
    save("interlaced.png", interlaced_png(np.asarray(rgb)))
    deep = np.random.default_rng(16).integers(0, 65536, (9, 11, 3)).astype(">u2")
    save("rgb16.png", png(11, 9, 16, 2, 0, b"".join(b"\0" + row.tobytes() for row in deep)))
    frames = [rgb, ImageOps.mirror(rgb)]
    save_image("animated.png", frames[0], save_all=True, append_images=frames[1:])
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "\0" * (20 << 20), zip=True)
    save_image("text_bomb.png", Image.new("RGB", (3, 2), (1, 2, 3)), pnginfo=info)
    save_image("profile_bomb.png", Image.new("RGB", (3, 2), (1, 2, 3)),
               icc_profile=b"\0" * (20 << 20))
    exif = Image.Exif()
    exif[0x112] = 6
    save_image("exif6.png", rgb, exif=exif)


def record_resizes():
    for size, target in (((64, 48), (107, 80)), ((107, 80), (64, 48)), ((200, 150), (53, 41)),
                         ((1, 1), (7, 5)), ((1, 40), (1, 7)), ((40, 1), (7, 1)), ((33, 17), (33, 51)),
                         ((33, 17), (90, 17)), ((33, 17), (33, 17)), ((5, 3), (1, 1)),
                         ((640, 480), (1067, 800)), ((300, 200), (299, 199))):
        image = Image.fromarray(pattern(*size)).resize(target, Image.Resampling.BILINEAR)
        record("resize_%d_%d_%d_%d" % (*size, *target), image)


def main():
    rgb = Image.fromarray(smooth(93, 61))
    make_jpeg(rgb)
    make_png(rgb)
    for path in sorted(HERE.glob("*.jpg")) + sorted(HERE.glob("*.png")):
        if "bomb" not in path.name:  # Pillow refuses those; the test knows their pixels
            record(path.name, Image.open(path).convert("RGB"))
    base = Image.open(HERE / "base.jpg")
    for orientation in range(1, 9):
        base.getexif()[0x112] = orientation
        record(f"orientation_{orientation}", ImageOps.exif_transpose(base).convert("RGB"))
    record_resizes()
    if len(sys.argv) > 1:
        for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jpg")):
            record(path.name, Image.open(path).convert("RGB"))
    (HERE / "reference.txt").write_text("\n".join(reference) + "\n")


if __name__ == "__main__":
    main()
