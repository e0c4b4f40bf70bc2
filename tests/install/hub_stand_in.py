# SPDX-License-Identifier: Apache-2.0
"""A hub on loopback that speaks enough of the real one's protocol, and misbehaves when told to."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "0123456789abcdef0123456789abcdef01234567"


class HubStandIn:
    """Serves `files` (name -> bytes) of one repository.

    `faults` is changed by tests: `cut_after` bytes the connection is dropped, `cuts` so many times;
    `wrong` serves other bytes of the same length; `stall_after` bytes nothing more is sent;
    `swallow` answers nothing at all; `status` answers every request with it; `short` ends the
    stream early each time.
    """

    def __init__(self, repository, files):
        self.repository, self.files = repository, files
        self.faults, self.requests = {}, []
        self._ending = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # clients that are killed in the middle

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    def sent_ranges(self):
        return [start for method, _, start in self.requests if method == "GET" and start]

    def answer(self, request, body):
        range_header = request.headers.get("Range", "")
        start = int(range_header.removeprefix("bytes=").partition("-")[0] or 0)
        self.requests.append((request.command, request.path, start))
        if "swallow" in self.faults:
            self._ending.wait(60)
            request.close_connection = True
            return
        if status := self.faults.get("status"):
            self._headers(request, status, {"Content-Length": "0"})
            return
        if request.path.startswith(f"/api/models/{self.repository}"):
            tree = "/tree/" in request.path
            self._send_json(request, self._tree() if tree else self._listing())
            return
        name = request.path.partition(f"/resolve/{REVISION}/")[2]
        if name not in self.files:
            self._headers(request, 404, {"Content-Length": "0", "X-Error-Code": "EntryNotFound"})
            return
        self._send_file(request, name, start, body)

    def _listing(self):
        siblings = []
        for name, content in self.files.items():
            file = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
            if name.endswith((".safetensors", ".ckpt")):
                sha256 = hashlib.sha256(content).hexdigest()
                file["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(file)
        return {"id": self.repository, "sha": REVISION, "siblings": siblings}

    def _tree(self):
        """The listing that newer versions of the hub's library ask for."""
        entries = []
        for file in self._listing()["siblings"]:
            entry = {"type": "file", "path": file["rfilename"], "size": file["size"]}
            lfs = file.get("lfs")
            if lfs:
                entry["lfs"] = {"oid": lfs["sha256"], "size": lfs["size"], "pointerSize": 130}
            entries.append({**entry, "oid": file["blobId"]})
        return entries

    def _send_json(self, request, content):
        data = json.dumps(content).encode()
        self._headers(request, 200, {"Content-Length": str(len(data))})
        request.wfile.write(data)

    def _send_file(self, request, name, start, body):
        content = self.files[name]
        headers = {
            "X-Repo-Commit": REVISION,
            "ETag": f'"{git_hash(content)}"',
            "Content-Length": str(len(content) - start),
            "Accept-Ranges": "bytes",
        }
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._headers(request, 206 if start else 200, headers)
        if not body:
            return
        large = name.endswith((".safetensors", ".ckpt"))
        data = bytes(len(content)) if large and "wrong" in self.faults else content
        for place in range(start, len(data), 65536):
            sent = place - start
            if large and self.faults.get("cuts", 0) > 0 and sent >= self.faults["cut_after"]:
                self.faults["cuts"] -= 1
                request.close_connection = True
                request.connection.close()
                return
            if large and "stall_after" in self.faults and sent >= self.faults["stall_after"]:
                self._ending.wait(60)
                request.close_connection = True
                return
            request.wfile.write(data[place : place + 65536])
            if large and "slow" in self.faults:
                time.sleep(self.faults["slow"])

    @staticmethod
    def _headers(request, status, headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
