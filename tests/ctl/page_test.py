# SPDX-License-Identifier: MIT
"""The pages that `map` writes, opened in a real browser: all of 1,000 files, in light and dark."""

import os
import pathlib
import re
import struct
import subprocess
import zlib

import support_path  # noqa: F401
import support

FILES = 1000
HOSTILE = "<script>document.title='broken'</script>&\"'.idx"
BROWSER = "chromium"


def open_page(place: support.Place, page: pathlib.Path, *options: str) -> str:
    # A profile of its own: two browsers of one profile would talk to each other.
    profile = place.scratch / "profile"
    return support.run(BROWSER, "--headless", "--no-sandbox", "--disable-gpu",
                       "--disable-dev-shm-usage", "--no-first-run", "--window-size=1280,900",
                       f"--user-data-dir={profile}", *options, f"file://{page}",
                       stderr=subprocess.DEVNULL, timeout=support.PATIENCE * 4)


def pixels(picture: pathlib.Path) -> list[bytes]:
    """The rows of a PNG of 8-bit colours, unfiltered (PNG specification, chapter 9)."""
    data = picture.read_bytes()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    support.check_equal(depth, 8, "bits of a colour")
    size = {2: 3, 6: 4}[colour]
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        packed += data[at + 8:at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw, rows, above = zlib.decompress(packed), [], bytes(width * size)
    for y in range(height):
        start = y * (width * size + 1)
        rows.append(unfilter(raw[start], raw[start + 1:start + 1 + width * size], above, size))
        above = rows[-1]
    return [b"".join(row[i:i + 3] for i in range(0, len(row), size)) for row in rows]


def unfilter(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    out = bytearray(line)
    for i in range(len(out)):
        left = out[i - size] if i >= size else 0
        corner = above[i - size] if i >= size else 0
        if kind == 1:
            out[i] = (out[i] + left) & 255
        elif kind == 2:
            out[i] = (out[i] + above[i]) & 255
        elif kind == 3:
            out[i] = (out[i] + (left + above[i]) // 2) & 255
        elif kind == 4:
            guess = left + above[i] - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - above[i]), 1, above[i]),
                          (abs(guess - corner), 2, corner))
            out[i] = (out[i] + nearest[2]) & 255
    return bytes(out)


def screenshot(place: support.Place, page: pathlib.Path, name: str, *options: str) -> list[bytes]:
    picture = place.scratch / name
    open_page(place, page, f"--screenshot={picture}", *options)
    if keep := os.environ.get("MMAPDIRFS_KEEP_PICTURES"):
        pathlib.Path(keep, name).write_bytes(picture.read_bytes())
    rows = pixels(picture)
    colours = {row[i:i + 3] for row in rows for i in range(0, len(row), 3)}
    support.check(len(colours) > 20, f"{name} isn't blank: {len(colours)} colours")
    return rows


def brightness(rows: list[bytes]) -> float:
    """Of the page's lower left corner, which holds nothing but the background."""
    return sum(rows[-2][:30]) / 30


def test(place: support.Place) -> None:
    support.require_programs(BROWSER)
    for i in range(FILES - 1):
        (place.source / f"segment-{i:04}.idx").write_bytes(bytes(4096 * (i % 40)))
    (place.source / HOSTILE.replace("/", "|")).write_bytes(bytes(8192))
    ctl = os.environ["MMAPDIRFS_BIN"] + "/mmapdirctl"
    html, svg = place.scratch / "map.html", place.scratch / "map.svg"
    support.run(ctl, "map", f"--html={html}", f"--svg={svg}", place.mount)

    document = open_page(place, html, "--dump-dom")
    support.check_equal(document.count("<li "), FILES, "rows in the browser's document")
    support.check_equal(len(re.findall(r"<script", document)), 1, "scripts in it")
    support.check("<title>broken" not in document, "a name is no script")
    support.check("hidden" not in document.split("</header>")[0].split('class="tools"')[1][:20],
                  "the page's own script ran")

    light = screenshot(place, html, "light.png")
    dark = screenshot(place, html, "dark.png", "--blink-settings=preferredColorScheme=0")
    support.check(brightness(light) > 200, f"light is light: {brightness(light)}")
    support.check(brightness(dark) < 60, f"dark is dark: {brightness(dark)}")
    screenshot(place, svg, "svg.png")


if __name__ == "__main__":
    support.main(test)
