"""The web page in a headless Chromium, against the program's server and a real, if untrained,
model: page_test.py PROGRAM FOLDER CONFIG. Screenshots and downloads are left in FOLDER.

Skips (77) where the browser is missing."""

import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time

from served import Server
from webdriver import Browser, missing

MAX_PAGE_BYTES = 60 * 1024


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def expect_equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: {got!r}, expected {expected!r}")


def mask_pixels(segmentation):
    """The pixels (x, y) of a mask in COCO's compressed form."""
    height, _ = segmentation["size"]
    numbers, value, shift = [], 0, 0
    for character in segmentation["counts"]:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            numbers.append(value - (1 << shift) if bits & 16 else value)
            value = shift = 0
    for i in range(3, len(numbers)):
        numbers[i] += numbers[i - 2]
    pixels, at = set(), 0
    for i, run in enumerate(numbers):
        if i % 2:
            pixels.update(divmod(place, height) for place in range(at, at + run))
        at += run
    return pixels


class PageTest:
    def __init__(self, program, folder, config):
        self.program, self.folder = program, folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.model = os.path.join(folder, "model.safetensors")
        self.gctmask("init", "--config", config, "--seed", "1", "--out", self.model)
        self.gctmask("make-shapes", os.path.join(folder, "set"), "--images", "0", "--val-images",
                     "2", "--seed", "1")
        self.photo = os.path.join(folder, "photo one's.jpg")  # a name that a shell must quote
        shutil.copy(os.path.join(folder, "set/images/val_000001.jpg"), self.photo)
        self.notes = os.path.join(folder, "notes.txt")
        with open(self.notes, "w", encoding="utf-8") as file:
            file.write("no picture\n")
        self.server = Server(program, folder, "--weights", self.model, "--drain-delay", "0")
        self.browser = Browser(folder)
        self.answer = None

    def gctmask(self, *arguments):
        subprocess.run([self.program, *arguments, "--quiet"], check=True, stdout=subprocess.DEVNULL)

    def close(self):
        self.browser.close()
        self.server.kill()

    # ---- What several cases do ----

    def rows(self):
        return self.browser.run("return [...document.querySelectorAll('#rows tr')]"
                                ".filter((row) => !row.hidden).map((row) => row.textContent)")

    def requests(self):
        return self.browser.run("return performance.getEntriesByType('resource')"
                                ".filter(({name}) => name.includes('/v1/detect')).length")

    def set_score(self, score):
        self.browser.run("const slider = document.querySelector('#score'); slider.value = args[0];"
                         "slider.dispatchEvent(new Event('input'))", score)

    def upload(self, path):
        self.browser.run("document.querySelector('#rows').replaceChildren()")
        self.browser.type("#file", path)
        self.browser.wait("document.querySelector('#busy').hidden &&"
                          "(document.querySelector('#rows').children.length > 0 ||"
                          " !document.querySelector('#error').hidden)", "an answer")

    def canvas(self):
        """The canvas's pixels as they are after the next frame."""
        return self.browser.run(
            "await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));"
            "const c = document.querySelector('#canvas');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "let hash = 0; for (const byte of d) hash = (Math.imul(hash, 31) + byte) | 0;"
            "return hash")

    def downloaded(self, name, selector):
        self.browser.click(selector)
        path = os.path.join(self.browser.downloads, name)
        end = time.monotonic() + 30
        while not os.path.exists(path):
            expect(time.monotonic() < end, f"{name} was not downloaded")
            time.sleep(0.05)
        with open(path, "rb") as file:
            return file.read()

    # ---- Cases, in the order of a visit ----

    def loads(self):
        self.browser.open(self.server.address + "/")
        self.browser.wait("document.querySelector('#state').className === 'ready'", "the state")
        self.browser.wait("document.querySelector('#model').textContent.includes('8 classes')",
                          "the model")
        sizes = self.browser.run(
            "const files = [location.href, ...performance.getEntriesByType('resource')"
            ".map(({name}) => name).filter((name) => name.includes('/static/'))];"
            "const sizes = {};"
            "for (const file of files) sizes[file] = (await (await fetch(file)).blob()).size;"
            "return sizes")
        expect(len(sizes) >= 3, f"the page's files: {sizes}")
        expect(sum(sizes.values()) < MAX_PAGE_BYTES, f"the page's files are too large: {sizes}")
        outside = [name for name in sizes if not name.startswith(self.server.address + "/")]
        expect_equal(outside, [], "files from elsewhere")
        self.browser.screenshot(os.path.join(self.folder, "empty.png"))

    def answers(self):
        self.upload(self.photo)
        with open(self.photo, "rb") as file:
            status, self.answer = self.server.call("/v1/detect?score=0.05", file.read(),
                                                   {"Content-Type": "image/jpeg"})
        expect_equal(status, 200, "the server's status")
        expect(len(self.answer["detections"]) > 10, "the model finds much")
        self.set_score(0.05)
        scores = [f"{d['score']:.3f}" for d in self.answer["detections"]]
        rows = self.rows()
        expect_equal(len(rows), len(scores), "rows of the table")
        for row, detection in zip(rows, self.answer["detections"]):
            expect(row.startswith(f"{detection['category']}{detection['score']:.3f}"), row)
        self.browser.screenshot(os.path.join(self.folder, "answer.png"))

    def is_that_of_the_command_line(self):
        """The server's masks are those that gctmask annotate finds."""
        out = os.path.join(self.folder, "annotated")
        self.gctmask("annotate", self.photo, "--weights", self.model, "--score", "0.05",
                     "--out", out)
        with open(os.path.join(out, "results.json"), encoding="utf-8") as file:
            found = json.load(file)
        def masks(detections):
            return [(d["category_id"], d["segmentation"]["counts"]) for d in detections]
        expect_equal(sorted(masks(self.answer["detections"])), sorted(masks(found)), "the masks")

    def masks_are_exact(self):
        """Paths filled at the picture's own size are the masks, pixel for pixel, holes included."""
        height, width = self.answer["detections"][0]["segmentation"]["size"]
        for detection in self.answer["detections"]:
            painted = self.browser.run(
                "const {decodeRuns, outline, pathOf} = await import('/static/rle.js');"
                "const [counts, width, height] = args;"
                "const context = new OffscreenCanvas(width, height).getContext('2d');"
                "context.fill(pathOf(outline(decodeRuns(counts), height)), 'evenodd');"
                "const {data} = context.getImageData(0, 0, width, height), on = [];"
                "for (let i = 3; i < data.length; i += 4) if (data[i]) on.push((i - 3) / 4);"
                "return on", detection["segmentation"]["counts"], width, height)
            expected = mask_pixels(detection["segmentation"])
            got = {(place % width, place // width) for place in painted}
            expect(got == expected, f"{len(got ^ expected)} pixels of a mask differ")

    def canvas_shows_masks(self):
        """Enlarged, the middles of just those pixels that are in masks change with the masks."""
        self.browser.click("#boxes")
        self.browser.click("#labels")
        x, y, width, height = max(self.answer["detections"], key=lambda d: d["area"])["bbox"]
        view = self.browser.run(
            "const canvas = document.querySelector('#canvas');"
            "const [px, py, width, height] = args;"
            "const [w, h] = [canvas.clientWidth, canvas.clientHeight];"
            "const fit = Math.min(w / width, h / height);"
            "const left = (w - width * fit) / 2, top = (h - height * fit) / 2;"
            "const at = {x: left + px * fit, y: top + py * fit};"
            "const bounds = canvas.getBoundingClientRect();"
            "canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: -1e5, cancelable: true,"
            "  clientX: bounds.left + at.x, clientY: bounds.top + at.y}));"
            "const place = (offset, extent, room) => Math.min(0, Math.max(room - extent, offset));"
            "return {scale: 24, w, h,"
            "  x: place(at.x - px * 24, width * 24, w), y: place(at.y - py * 24, height * 24, h)}",
            x + width / 2, y + height / 2, *reversed(self.answer["detections"][0]["segmentation"]
                                                     ["size"]))
        colours = ("const frame = () => new Promise((r) => requestAnimationFrame(r));"
                   "await frame(); await frame();"
                   "const canvas = document.querySelector('#canvas');"
                   "const context = canvas.getContext('2d'), {x, y, w, h, scale} = args[0];"
                   "const found = {};"
                   "for (let py = Math.ceil(-y / scale); (py + 1) * scale + y <= h; py++)"
                   "  for (let px = Math.ceil(-x / scale); (px + 1) * scale + x <= w; px++)"
                   "    found[[px, py]] = [...context.getImageData(x + (px + 0.5) * scale,"
                   "      y + (py + 0.5) * scale, 1, 1).data].join();"
                   "return found")
        with_masks = self.browser.run(colours, view)
        self.browser.screenshot(os.path.join(self.folder, "enlarged.png"))
        self.browser.click("#masks")
        without = self.browser.run(colours, view)
        for button in ("#masks", "#boxes", "#labels", "#fit"):
            self.browser.click(button)
        masks = set().union(*(mask_pixels(d["segmentation"]) for d in self.answer["detections"]))
        changed = {tuple(map(int, place.split(","))) for place, colour in with_masks.items()
                   if colour != without[place]}
        seen = {tuple(map(int, place.split(","))) for place in with_masks}
        expect(len(seen) > 500 and len(changed) > 20, f"{len(changed)} of {len(seen)} changed")
        expect_equal(changed ^ (masks & seen), set(), "pixels that should or should not change")

    def filters_without_asking(self):
        asked = self.requests()
        before = self.canvas()
        scores = sorted((d["score"] for d in self.answer["detections"]), reverse=True)
        least = round(scores[len(scores) // 3], 2)
        self.set_score(least)
        expect_equal(len(self.rows()), sum(score >= least for score in scores), "rows by score")
        expect(self.canvas() != before, "the slider does not change the canvas")
        self.set_score(0.05)
        expect_equal(self.canvas(), before, "the canvas with all objects again")
        category = self.browser.run("return document.querySelector('#classes button')"
                                    ".childNodes[1].textContent")
        self.browser.click("#classes button")
        kept = [d for d in self.answer["detections"] if d["category"] != category]
        expect_equal(len(self.rows()), len(kept), "rows by class")
        expect(self.canvas() != before, "the class filter does not change the canvas")
        expect_equal(self.requests(), asked, "requests")

    def downloads(self):
        """With one class filtered away, as the case before left it."""
        stem = "photo one's"
        whole = json.loads(self.downloaded(f"{stem}.json", "#save-json"))
        for answer in (whole, self.answer):
            del answer["timing_ms"], answer["request_id"]
        expect_equal(whole, self.answer, "the JSON")
        off = self.browser.run("return document.querySelector('#classes [aria-pressed=false]')"
                               ".childNodes[1].textContent")
        coco = json.loads(self.downloaded(f"{stem}-coco.json", "#save-coco"))
        expected = [{key: d[key] for key in ("category_id", "bbox", "score", "segmentation")}
                    for d in self.answer["detections"] if d["category"] != off]
        expect_equal([{**result, "image_id": 1} for result in coco],
                     [{**result, "image_id": 1} for result in expected], "the COCO results")
        png = self.downloaded(f"{stem}-masks.png", "#save-png")
        expect_equal(png[:8], b"\x89PNG\r\n\x1a\n", "the PNG's signature")
        expect_equal(struct.unpack(">II", png[16:24]),
                     tuple(reversed(self.answer["detections"][0]["segmentation"]["size"])),
                     "the PNG's size")

    def curl_line_works(self):
        """What the page tells to type finds what the page shows."""
        if not shutil.which("curl"):
            print("    curl is missing: its line was not run")
            return
        # Above the least of the whole answer: of two classes alone the server can find more.
        self.set_score(math.ceil(100 * self.answer["detections"][-1]["score"]) / 100)
        line = self.browser.run("return document.querySelector('#curl').textContent")
        told = subprocess.run(["sh", "-c", line], cwd=self.folder, capture_output=True, check=True)
        found = json.loads(told.stdout)["detections"]
        expect_equal(len(found), len(self.rows()), f"objects by: {line}")
        expect(len(found) > 0, f"objects by: {line}")
        self.browser.click("#classes button")
        self.set_score(0.05)

    def highlights(self):
        before = self.canvas()
        place = self.browser.run("const b = document.querySelector('#rows tr')"
                                 ".getBoundingClientRect(); return [b.x + 20, b.y + b.height / 2]")
        self.browser.point(*place)
        expect_equal(self.browser.run("return document.querySelectorAll('#rows .focus').length"), 1,
                     "rows in focus")
        expect(self.canvas() != before, "the object under the pointer is not shown")
        self.browser.screenshot(os.path.join(self.folder, "highlight.png"))
        self.browser.point(5, 5)
        expect_equal(self.canvas(), before, "the canvas without the pointer")

    def keyboard(self):
        self.browser.run("document.querySelector('#file').focus()")
        for _ in range(60):
            self.browser.press("tab")
            if self.browser.run("return document.activeElement.tagName") == "TR":
                break
        at = ("return [...document.querySelectorAll('#rows tr')]"
              ".findIndex((row) => row === document.activeElement)")
        expect_equal(self.browser.run(at), 0, "the row that the tab key reaches")
        self.browser.press("down", "down", "up")
        expect_equal(self.browser.run(at), 1, "the row after two steps down and one up")
        self.browser.press("enter")
        chosen = "return document.querySelectorAll('#rows tr')[1].ariaSelected"
        expect_equal(self.browser.run(chosen), "true", "the row after Enter")
        self.browser.press("escape")
        expect_equal(self.browser.run(chosen), "false", "the row after Escape")
        self.browser.press("m")
        pressed = "return document.querySelector('#masks').ariaPressed"
        expect_equal(self.browser.run(pressed), "false", "masks after the key m")
        self.browser.press("m")
        self.browser.run("document.querySelector('#canvas').focus()")
        before = self.canvas()
        self.browser.press("+", "right")
        expect(self.canvas() != before, "keys do not zoom")
        self.browser.press("0")
        expect_equal(self.canvas(), before, "the picture fitted again")

    def has_names(self):
        """Whatever can be used says what it is, and the canvas says what it shows."""
        nameless = self.browser.run(
            "return [...document.querySelectorAll('button, input, a, [role=img]')]"
            ".filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))"
            ".map((e) => e.outerHTML)")
        expect_equal(nameless, [], "controls without a name")
        label = self.browser.run("return document.querySelector('#canvas').ariaLabel")
        expect(f"{len(self.rows())} objects" in label, f"the canvas is called {label}")

    def fits_a_phone(self):
        self.browser.resize(500, 900)
        too_wide = self.browser.run("return document.documentElement.scrollWidth - innerWidth")
        expect(too_wide <= 0, f"{too_wide} pixels too wide")
        self.browser.screenshot(os.path.join(self.folder, "phone.png"))
        self.browser.resize(1280, 860)

    def says_errors(self):
        expect_equal(self.browser.complaints(), [], "complaints of the browser")
        self.upload(self.notes)
        code = self.browser.run("return document.querySelector('#code').textContent")
        expect_equal(code, "unsupported_media_type", "the code of the error")
        expect(self.browser.run("return document.querySelector('#reason').textContent.length") > 10,
               "the error says nothing")
        self.browser.screenshot(os.path.join(self.folder, "error.png"))
        self.upload(self.photo)
        expect(self.browser.run("return document.querySelector('#error').hidden"),
               "the error stays")

    def asks_for_a_token(self):
        tokens = os.path.join(self.folder, "tokens")
        made = subprocess.run([self.program, "token", "--name", "page"], check=True,
                              capture_output=True, text=True)
        with open(os.open(tokens, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(made.stdout)
        token = made.stderr.split()[-1]
        guarded = Server(self.program, self.folder, "--weights", self.model, "--token-file", tokens)
        try:
            self.browser.open(guarded.address + "/")
            self.browser.wait("document.querySelector('#token').open", "the question for a token")
            self.browser.screenshot(os.path.join(self.folder, "token.png"))
            self.browser.type("#secret", "wrong")
            self.browser.click("#token button")
            self.browser.wait("document.querySelector('#token').open &&"
                              "document.querySelector('#wrong').className.includes('bad')",
                              "the question after a wrong token")
            self.browser.type("#secret", token)
            self.browser.click("#token button")
            self.browser.wait("document.querySelector('#model').textContent !== ''", "the model")
            self.upload(self.photo)
            expect(self.browser.run("return document.querySelector('#rows').children.length") > 10,
                   "objects with a token")
        finally:
            guarded.kill()

    def survives_the_server(self):
        self.browser.open(self.server.address + "/")
        self.browser.wait("document.querySelector('#state').className === 'ready'", "the state")
        expect_equal(self.server.stop(), 0, "the server's exit code")
        self.upload(self.photo)
        code = self.browser.run("return document.querySelector('#code').textContent")
        expect_equal(code, "unreachable", "the code without a server")
        self.browser.wait("document.querySelector('#state').className === 'away'", "the state")


CASES = [PageTest.loads, PageTest.answers, PageTest.is_that_of_the_command_line,
         PageTest.masks_are_exact, PageTest.canvas_shows_masks, PageTest.filters_without_asking,
         PageTest.downloads, PageTest.curl_line_works, PageTest.highlights, PageTest.keyboard,
         PageTest.has_names, PageTest.fits_a_phone, PageTest.says_errors,
         PageTest.asks_for_a_token, PageTest.survives_the_server]


def main():
    lacking = missing()
    if lacking:
        print(f"skipped: {lacking} is not installed")
        return 77
    test = PageTest(*sys.argv[1:])
    try:
        for case in CASES:
            print(case.__name__.replace("_", " "), flush=True)
            case(test)
    except AssertionError as error:
        print(f"    FAILED: {error}")
        test.browser.screenshot(os.path.join(test.folder, "failed.png"))
        return 1
    finally:
        test.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
