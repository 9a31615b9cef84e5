"""What the documentation says about the service, held against the program: docs_test.py PROGRAM
FOLDER ROOT. The README's and the interface's curl lines are run; tables are compared."""

import json
import os
import re
import shutil
import subprocess
import sys

from served import Server


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def expect_equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}:\n  {got!r}\nexpected\n  {expected!r}")


def section(text, heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def curl_lines(text):
    """The commands in shell blocks, continued lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("curl ")]


class DocsTest:
    def __init__(self, program, folder, root):
        self.program, self.folder, self.root = program, folder, root
        self.api = read(f"{root}/docs/api.md")
        subprocess.run([program, "make-shapes", f"{folder}/set", "--images", "0", "--val-images",
                        "1", "--quiet"], check=True)
        for name in ("dog.jpg", "a.jpg", "b.jpg"):
            shutil.copy(f"{folder}/set/images/val_000001.jpg", f"{folder}/{name}")
        self.server = Server(program, folder, "--stub-ms", "1", "--drain-delay", "0")

    def run(self, line):
        """The line with the server's real address; what it prints."""
        here = self.server.address.removeprefix("http://")
        if "localhost:8080" not in line:
            raise AssertionError(f"not the default address: {line}")
        told = subprocess.run(["sh", "-c", line.replace("localhost:8080", here)], cwd=self.folder,
                              capture_output=True, text=True)
        expect_equal(told.returncode, 0, f"exit code of: {line}\n{told.stderr}")
        return told.stdout

    def readme_lines(self):
        lines = curl_lines(section(read(f"{self.root}/README.md"), "Serve"))
        expect_equal(len(lines), 4, "curl lines in the README")
        answer = json.loads(self.run(lines[0]))
        expect_equal(len(answer["detections"]), 1, f"objects by: {lines[0]}")
        expect_equal(answer["options"]["score"], 0.5, f"score of: {lines[0]}")
        self.run(lines[1])
        with open(f"{self.folder}/out.png", "rb") as file:
            expect_equal(file.read(8), b"\x89PNG\r\n\x1a\n", f"file of: {lines[1]}")
        batch = json.loads(self.run(lines[2]))
        expect_equal([len(result["detections"]) for result in batch["results"]], [1, 1],
                     f"objects by: {lines[2]}")
        self.run(lines[3])
        results = json.loads(read(f"{self.folder}/results.json"))
        expect_equal(results[0]["image_id"], 7, f"image of: {lines[3]}")
        ground = f"{self.folder}/truth.json"
        height, width = results[0]["segmentation"]["size"]
        with open(ground, "w", encoding="utf-8") as file:
            json.dump({"images": [{"id": 7, "width": width, "height": height, "file_name": "x"}],
                       "categories": [{"id": results[0]["category_id"], "name": "thing"}],
                       "annotations": [{**results[0], "id": 1, "iscrowd": 0,
                                        "area": answer["detections"][0]["area"]}]}, file)
        scored = subprocess.run([self.program, "eval", "--ann", ground, "--results",
                                 f"{self.folder}/results.json", "--json"], capture_output=True,
                                text=True)
        expect_equal(scored.returncode, 0, f"eval: {scored.stderr}")

    def api_lines(self):
        for line in curl_lines(section(self.api, "A request")):
            if "..." in line:  # a picture too long to print
                line = line.replace("/9j/4AAQ...", "eA==")
                expect_equal(json.loads(self.run(line))["code"], "unsupported_media_type",
                             f"code of: {line}")
            else:
                found = json.loads(self.run(line))["detections"]
                expect_equal(len(found), 1, f"objects by: {line}")

    def errors(self):
        told = {}
        for status, words in re.findall(r"^\| (\d+) \| (.+) \|$", section(self.api, "An error"),
                                        re.MULTILINE):
            told.update(dict.fromkeys(re.findall(r"`(\w+)`", words), int(status)))
        known = {word: int(status) for word, status in
                 re.findall(r'^FAULT\(\w+, "(\w+)", (\d+)\)', read(f"{self.root}/server/fault.def"),
                            re.MULTILINE)}
        expect_equal(told, known, "the table of errors")

    def options(self):
        told = re.findall(r"^\| `(\w+)` \| (.+?) \|", section(self.api, "A request"), re.MULTILINE)
        with open(f"{self.folder}/dog.jpg", "rb") as file:
            _, answer = self.server.call("/v1/detect", file.read(), {"Content-Type": "image/jpeg"})
        expect_equal(sorted(name for name, _ in told), sorted(answer["options"]),
                     "the table of options")
        for name, default in told:
            if default.startswith(("`", *"0123456789")):
                value = answer["options"][name]
                expect_equal(default.strip("`"), value if isinstance(value, str)
                             else json.dumps(value), f"default of {name}")

    def addresses(self):
        """Those of the table that the description has, too, and the other way round."""
        _, description = self.server.call("/openapi.json")
        table = section(self.api, "Addresses")
        paths = [path for path in description["paths"] if not path.startswith("/v2")]
        missing = [path for path in paths if f"`{path}`" not in table]
        expect_equal(missing, [], "addresses that the table lacks")

    def flags(self):
        told = subprocess.run([self.program, "serve", "--help"], capture_output=True, text=True)
        text = self.api + section(read(f"{self.root}/README.md"), "Serve")
        for flag in set(re.findall(r"`(--[a-z-]+)[ `]", text)):
            if flag not in told.stdout:
                raise AssertionError(f"gctmask serve has no {flag}")


CASES = [DocsTest.readme_lines, DocsTest.api_lines, DocsTest.errors, DocsTest.options,
         DocsTest.addresses, DocsTest.flags]


def main():
    program, folder, root = sys.argv[1:]
    if not shutil.which("curl"):
        print("skipped: curl is not installed")
        return 77
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    test = DocsTest(program, folder, root)
    try:
        for case in CASES:
            print(case.__name__.replace("_", " "), flush=True)
            case(test)
    except AssertionError as error:
        print(f"    FAILED: {error}")
        return 1
    finally:
        test.server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
