"""An object store on this machine, for programs, that answers as Google Cloud Storage's JSON interface does.

`serve` starts it; gcsfs finds it by STORAGE_EMULATOR_HOST, tensorstore (orbax's checkpoints) by TENSORSTORE_GCS_HTTP_URL. It
has what those two ask for: ranges, conditions on generations, resumable uploads, listing by prefix and delimiter.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import re
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 200  # objects of a listing's page; small, so that tests see more than one


class Stored(NamedTuple):
    """An object."""

    data: bytes
    generation: int


class Conflict(Exception):
    """A condition on a generation was not met."""


class Objects:
    """Objects by "bucket/name"; each is replaced whole."""

    def __init__(self) -> None:
        self.stored: dict[str, Stored] = {}
        self.uploads: dict[str, tuple[str, dict[str, str], bytearray]] = {}
        self._numbers, self._lock = itertools.count(1), threading.Lock()

    def put(self, key: str, data: bytes, query: dict[str, str]) -> Stored:
        with self._lock:
            self.expect(key, query)
            self.stored[key] = Stored(data, next(self._numbers))
            return self.stored[key]

    def delete(self, key: str, query: dict[str, str]) -> bool:
        with self._lock:
            self.expect(key, query)
            return self.stored.pop(key, None) is not None

    def expect(self, key: str, query: dict[str, str]) -> None:
        now = self.stored[key].generation if key in self.stored else 0
        if "ifGenerationMatch" in query and int(query["ifGenerationMatch"]) != now:
            raise Conflict


class Handler(BaseHTTPRequestHandler):
    """Requests of the JSON interface."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[Objects]

    def log_message(self, *_: Any) -> None:
        pass

    def _route(self, method: str) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.fullmatch(r"/(?:(upload|download)/)?storage/v1/b(?:/([^/]+))?(?:/o(?:/(.*))?)?", parts.path)
        try:
            if found is None:
                return self._error(404, f"no such address: {self.path}")
            kind, bucket, name = found[1], unquote(found[2] or ""), unquote(found[3] or "")
            if kind == "upload":
                return self._upload(method, bucket, query, body)
            if method == "POST" and (copied := re.fullmatch(r"(.*)/rewriteTo/b/([^/]+)/o/(.*)", found[3] or "")):
                return self._copy(f"{bucket}/{unquote(copied[1])}", f"{unquote(copied[2])}/{unquote(copied[3])}", query)
            if not name and "/o" not in parts.path:
                return self._json({"name": bucket, "kind": "storage#bucket"})
            if not name:
                return self._list(bucket, query)
            return self._object(method, f"{bucket}/{name}", kind, query)
        except Conflict:
            return self._error(412, "conditionNotMet")

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def do_DELETE(self) -> None:
        self._route("DELETE")

    def _object(self, method: str, key: str, kind: str | None, query: dict[str, str]) -> None:
        if method == "DELETE":
            return self._send(204, b"") if self.objects.delete(key, query) else self._error(404, "notFound")
        if key not in self.objects.stored:
            return self._error(404, "notFound")
        self.objects.expect(key, query)
        data, generation = self.objects.stored[key]
        if query.get("ifGenerationNotMatch") == str(generation):
            return self._send(304, b"")
        if kind != "download" and query.get("alt") != "media":
            return self._json(describe(key, self.objects.stored[key]))
        headers, status = {"x-goog-generation": str(generation), "Content-Type": "application/octet-stream"}, 200
        if asked := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or ""):
            first = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))
            last = min(int(asked[2]) if asked[1] and asked[2] else len(data) - 1, len(data) - 1)
            if first >= len(data):
                return self._error(416, "the range begins behind the object's end")
            headers["Content-Range"], status = f"bytes {first}-{last}/{len(data)}", 206
            data = data[first : last + 1]
        return self._send(status, data, headers)

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter", ""), query.get("pageToken", "")
        start, items, folders, last = f"{bucket}/", [], set(), ""
        for key in sorted(self.objects.stored):
            name = key.removeprefix(start)
            if not key.startswith(start + prefix) or (after and name <= after) or name < query.get("startOffset", ""):
                continue
            if "endOffset" in query and name >= query["endOffset"]:
                break
            if len(items) == min(PAGE, int(query.get("maxResults") or PAGE)):
                break
            rest, last = name[len(prefix) :], name
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            elif (stored := self.objects.stored.get(key)) is not None:
                items.append(describe(key, stored))
        else:
            last = ""
        self._json({"items": items, "prefixes": sorted(folders)} | ({"nextPageToken": last} if last else {}))

    def _upload(self, method: str, bucket: str, query: dict[str, str], body: bytes) -> None:
        if "upload_id" in query:
            return self._resume(query["upload_id"], body)
        if query.get("uploadType") == "resumable":
            name = query.get("name") or json.loads(body)["name"]
            self.objects.uploads[number := uuid.uuid4().hex] = (f"{bucket}/{name}", query, bytearray())
            host = self.headers["Host"]
            return self._send(200, b"", {"Location": f"http://{host}/upload/storage/v1/b/{bucket}/o?upload_id={number}"})
        if query.get("uploadType") == "multipart":
            mark = b"--" + self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
            _, about, rest = body.split(mark, 2)
            line = b"\r\n" if rest.startswith(b"\r\n") else b"\n"
            query = {**json.loads(about.split(line * 2, 1)[1]), **query}
            body = rest[: rest.rindex(line + mark)].split(line * 2, 1)[1]
        key = f"{bucket}/{query['name']}"
        return self._json(describe(key, self.objects.put(key, body, query)))

    def _resume(self, number: str, body: bytes) -> None:
        key, query, so_far = self.objects.uploads[number]
        asked = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range") or "bytes */*")
        assert asked is not None, self.headers["Content-Range"]
        if asked[1]:
            so_far[int(asked[1]) :] = body
        elif body:
            so_far += body
        if asked[3] != "*" and len(so_far) == int(asked[3]):
            del self.objects.uploads[number]
            return self._json(describe(key, self.objects.put(key, bytes(so_far), query)))
        return self._send(308, b"", {"Range": f"bytes=0-{len(so_far) - 1}"} if so_far else {})

    def _copy(self, source: str, target: str, query: dict[str, str]) -> None:
        if source not in self.objects.stored:
            return self._error(404, "notFound")
        made = self.objects.put(target, self.objects.stored[source].data, query)
        return self._json({"done": True, "resource": describe(target, made)})

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, why: str) -> None:
        told = {"error": {"code": status, "message": why, "errors": [{"reason": why, "message": why}]}}
        self._send(status, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def describe(key: str, stored: Stored) -> dict[str, Any]:
    """An object's description, as the interface gives it."""
    bucket, _, name = key.partition("/")
    time = f"2026-01-01T00:00:{stored.generation % 60:02d}.000Z"
    return {
        "kind": "storage#object",
        "name": name,
        "bucket": bucket,
        "size": str(len(stored.data)),
        "generation": str(stored.generation),
        "metageneration": "1",
        "updated": time,
        "timeCreated": time,
        "md5Hash": base64.b64encode(hashlib.md5(stored.data).digest()).decode(),
        "contentType": "application/octet-stream",
    }


@contextlib.contextmanager
def serve() -> Iterator[tuple[dict[str, str], Objects]]:
    """A store while the context lasts: the environment that programs find it by, and what it holds."""
    objects = Objects()
    handler = type("OwnHandler", (Handler,), {"objects": objects})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that were killed
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        environment = {"STORAGE_EMULATOR_HOST": address, "TENSORSTORE_GCS_HTTP_URL": address}
        # Or gcsfs would ask Google itself for the kind of the bucket.
        yield {**environment, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}, objects
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":  # for a look by hand
    with serve() as (environment, _):
        print(*(f"export {name}={value}" for name, value in environment.items()), sep="\n", flush=True)
        sys.stdin.read()
