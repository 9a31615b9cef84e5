"""The samples in deploy/ at work: deploy_test.py PROGRAM FOLDER DEPLOY_FOLDER
nginx|haproxy|systemd.

Each sample is used as it is, but for ports and certificates. Skips (77) without the program."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from served import Server

NAME = "masks.example.org"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def expect_equal(got, expected, what):
    if got != expected:
        raise AssertionError(f"{what}: {got!r}, expected {expected!r}")


class Front:
    """A proxy with a certificate that only this test trusts."""

    def __init__(self, folder, port, *command):
        self.folder, self.port = folder, port
        self.log = open(os.path.join(folder, "proxy.log"), "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.context = ssl.create_default_context(cafile=os.path.join(folder, "own.pem"))
        self.context.check_hostname = False
        self.wait()

    def wait(self, patience=30):
        end = time.monotonic() + patience
        while True:
            try:
                if self.call("/v1/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                self.stop()
                with open(self.log.name, encoding="utf-8") as file:
                    raise AssertionError(f"the proxy did not come up:\n{file.read()}")
            time.sleep(0.1)

    def call(self, path, body=None, headers=None):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body,
                                         headers={"Host": NAME, **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def make_certificate(folder):
    key, certificate = os.path.join(folder, "own.key"), os.path.join(folder, "own.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout",
                    key, "-out", certificate], check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "w", encoding="ascii") as both:
        for part in (certificate, key):
            with open(part, encoding="ascii") as file:
                both.write(file.read())


def adapted(sample, target, changes):
    """Copies the sample; each change has to fit somewhere."""
    with open(sample, encoding="utf-8") as file:
        text = file.read()
    for old, new in changes:
        if old not in text:
            raise AssertionError(f"{sample} does not say: {old}")
        text = text.replace(old, new)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


def start_server(program, folder, *options):
    return Server(program, folder, "--stub-ms", "5", "--max-connections-per-address", "0",
                  "--allow-origin", f"https://{NAME}", *options)


def check_service(front, server, photo):
    """The same answers as without the proxy, the page, its origin, and speech over HTTP/2."""
    def detections(answer):
        return json.loads(answer)["detections"]

    headers = {"Content-Type": "image/jpeg"}
    status, direct = server.call("/v1/detect", photo, headers)
    expect_equal(status, 200, "status without the proxy")
    status, answer = front.call("/v1/detect", photo, {**headers, "Origin": f"https://{NAME}"})
    expect_equal((status, detections(answer)), (200, direct["detections"]), "the answer")
    status, _ = front.call("/v1/detect", photo, {**headers, "Origin": "https://other.example"})
    expect_equal(status, 403, "status for another page")
    status, page = front.call("/")
    expect_equal((status, page[:15]), (200, b"<!doctype html>"), "the page")
    if "HTTP2" in subprocess.run(["curl", "-V"], capture_output=True, text=True).stdout:
        told = subprocess.run(
            ["curl", "-sk", "--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
             f"https://127.0.0.1:{front.port}/v1/health/live"], capture_output=True, text=True)
        expect_equal(told.stdout, "2 200", "version and status by curl")


def nginx(program, deploy, folder, photo):
    server = start_server(program, folder)
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    adapted(f"{deploy}/nginx.conf", f"{folder}/nginx.conf", [
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("127.0.0.1:8080", server.address.removeprefix("http://")),
        ("/etc/ssl/certs/masks.example.org.pem", f"{folder}/own.pem"),
        ("/etc/ssl/private/masks.example.org.key", f"{folder}/own.key"),
        ("http {", f"http {{ access_log off; {temporary}")])
    front = Front(folder, port, "nginx", "-p", folder, "-c", f"{folder}/nginx.conf", "-g",
                  f"daemon off; pid {folder}/pid; error_log stderr;")
    try:
        check_service(front, server, photo)
        status, _ = front.call("/v1/detect", bytes(21 * 2**20), {"Content-Type": "image/jpeg"})
        expect_equal(status, 413, "status for a body that is too large")
    finally:
        front.stop()
        server.kill()


def haproxy(program, deploy, folder, photo):
    """And nothing is lost when one of two servers goes."""
    one, two = start_server(program, folder), start_server(program, folder)
    port = free_port()
    adapted(f"{deploy}/haproxy.cfg", f"{folder}/haproxy.cfg", [
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("127.0.0.1:8080", one.address.removeprefix("http://")),
        ("127.0.0.1:8081", two.address.removeprefix("http://")),
        ("/etc/ssl/private/masks.example.org.pem", f"{folder}/both.pem")])
    front = Front(folder, port, "haproxy", "-f", f"{folder}/haproxy.cfg")
    try:
        check_service(front, one, photo)
        codes = []
        stopping = threading.Thread(target=lambda: codes.append(two.stop()))
        stopping.start()
        statuses = set()
        while stopping.is_alive():
            statuses.add(front.call("/v1/detect", photo, {"Content-Type": "image/jpeg"})[0])
        statuses.add(front.call("/v1/detect", photo, {"Content-Type": "image/jpeg"})[0])
        expect_equal(codes, [0], "exit code of the server that went")
        expect_equal(statuses, {200}, "statuses while it went")
    finally:
        front.stop()
        one.kill()
        two.kill()


def systemd(program, deploy, folder, _):
    """The unit is understood, is not exposed much, and starts what the program takes."""
    with open(f"{deploy}/gctmask.service", encoding="utf-8") as file:
        unit = file.read()
    command = re.search(r"^ExecStart=(\S+) (.*)$", unit, re.MULTILINE)
    told = subprocess.run([program, "serve", "--help"], capture_output=True, text=True, check=True)
    for option in re.findall(r"--[a-z-]+", command.group(2)):
        if option not in told.stdout:
            raise AssertionError(f"gctmask serve has no {option}")
    copy = f"{folder}/gctmask.service"
    adapted(f"{deploy}/gctmask.service", copy, [(command.group(1), os.path.abspath(program))])
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True,
                              text=True)
    expect_equal((verified.returncode, verified.stderr), (0, ""), "systemd-analyze verify")
    exposed = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                              copy], capture_output=True, text=True)
    expect_equal(exposed.returncode, 0, f"exposure above 2.0\n{exposed.stdout[-200:]}")


CASES = {"nginx": (nginx, ["nginx", "openssl", "curl"]),
         "haproxy": (haproxy, ["haproxy", "openssl", "curl"]),
         "systemd": (systemd, ["systemd-analyze"])}


def main():
    program, folder, deploy, name = sys.argv[1:]
    case, needed = CASES[name]
    for tool in needed:
        if not shutil.which(tool):
            print(f"skipped: {tool} is not installed")
            return 77
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if "openssl" in needed:
        make_certificate(folder)
    subprocess.run([program, "make-shapes", f"{folder}/set", "--images", "0", "--val-images", "1",
                    "--quiet"], check=True)
    with open(f"{folder}/set/images/val_000001.jpg", "rb") as file:
        photo = file.read()
    try:
        case(program, deploy, folder, photo)
    except AssertionError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
