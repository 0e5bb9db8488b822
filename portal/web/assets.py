"""Static files: joined, named by their content, compressed once, cached for good; and gzip for the pages."""

import gzip
import hashlib
import io
import mimetypes
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request, url_for
from markupsafe import Markup

ROOT = Path(__file__).resolve().parents[2] / "static"
LAYERS = ("tokens", "base", "layout", "components", "utilities", "print")
"""The cascade, weakest first. A file named so, or a folder named so, holds the layer."""

HTMX = "vendor/htmx@2.0.11/htmx.min.js"
JOINED = {
    "site.js": (HTMX, "js/portal.js"),
    "desk.js": ("js/desk.js", "js/live.js", "js/order.js", "js/entry.js"),
}
"""Scripts served as one file: what every first page needs, and what every page of the desk."""

COMPRESSIBLE = frozenset(
    [
        "text/html",
        "text/css",
        "text/plain",
        "text/csv",
        "text/javascript",
        "image/svg+xml",
        "application/json",
    ]
)
SMALLEST = 500
"""Bytes under which compressing a page costs more than it saves."""

bp = Blueprint("assets", __name__)


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One file as it is served: ``path`` carries the hash of ``body``; ``packed`` is its gzip, or empty."""

    path: str
    body: bytes
    packed: bytes
    mimetype: str


def stylesheet(root: Path = ROOT) -> bytes:
    """What every page needs of static/css as one sheet, in the order of the layers."""
    files: list[Path] = []
    for layer in LAYERS:
        files += sorted((root / "css" / layer).glob("*.css")) or [root / "css" / f"{layer}.css"]
    return _sheet(files)


def desk_stylesheet(root: Path = ROOT) -> bytes:
    """What only the desk shows, loaded after the other: a customer's phone does without it."""
    return _sheet(sorted((root / "css" / "desk").glob("*.css")))


def _sheet(files: Iterable[Path]) -> bytes:
    """The files one after the other, without comments and indentation."""
    parts = [f"@layer {', '.join(LAYERS)};", *(file.read_text(encoding="utf-8") for file in files)]
    text = re.sub(r"/\*.*?\*/", "", "\n".join(parts), flags=re.DOTALL)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode()


def load(root: Path = ROOT) -> dict[str, Asset]:
    """Every static file by its plain name, and the joined ones; raises ``OSError`` where one is missing."""
    files = {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.suffix not in {".md", ".css"} and file.name != "LICENSE"
    }
    files["site.css"], files["desk.css"] = stylesheet(root), desk_stylesheet(root)
    for name, parts in JOINED.items():
        files[name] = b";\n".join(files[part] for part in parts)
    return {name: _asset(name, body) for name, body in files.items()}


def _asset(name: str, body: bytes) -> Asset:
    stem, _, suffix = name.rpartition(".")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    packed = gzip.compress(body, 9, mtime=0) if kind in COMPRESSIBLE else b""
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(path=f"{stem}-{digest}.{suffix}", body=body, packed=packed, mimetype=kind)


@cache
def _shelf() -> dict[str, Asset]:
    return load()


@cache
def _by_path() -> dict[str, Asset]:
    return {asset.path: asset for asset in _shelf().values()}


def asset(name: str) -> str:
    """The address of a static file (``site.css``, ``desk.css``, ``site.js``, ``desk.js``); ``KeyError`` for others."""
    if current_app.debug:
        _shelf.cache_clear()
        _by_path.cache_clear()
    return url_for("assets.serve", path=_shelf()[name].path)


def drawing(name: str) -> Markup:
    """One of our product pictures as SVG for the page itself: no request, and it takes the page's colour.

    A name that was never drawn gives the picture of an unknown thing.
    """
    shelf = _shelf()
    found = shelf.get(f"pictures/{name}.svg") or shelf["pictures/unknown.svg"]
    return Markup(found.body.decode().strip())  # noqa: S704 - a file of this project, never input


@bp.get("/assets/<path:path>")
def serve(path: str) -> Response:
    """A static file under its hashed name, kept by the browser for a year; 404 for another content's name."""
    found = _by_path().get(path)
    if found is None:
        abort(404)
    packed = bool(found.packed) and request.accept_encodings["gzip"] > 0
    response = Response(found.packed if packed else found.body, mimetype=found.mimetype)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    if found.packed:
        response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response


def compress(response: Response) -> Response:
    """Gzip a text answer that is worth it, when the browser takes it.

    A random file name in the gzip header blurs the length, so that what a page repeats from its address
    cannot be used to guess the token beside it (BREACH).
    """
    if response.mimetype not in COMPRESSIBLE or response.direct_passthrough or response.is_streamed:
        return response
    response.vary.add("Accept-Encoding")
    if (
        request.accept_encodings["gzip"] <= 0
        or response.status_code in {204, 206, 304}
        or "Content-Encoding" in response.headers
        or len(response.get_data()) < SMALLEST
    ):
        return response
    out = io.BytesIO()
    blur = "".join(secrets.choice(string.ascii_lowercase) for _ in range(1 + secrets.randbelow(80)))
    with gzip.GzipFile(filename=blur, mode="wb", fileobj=out, compresslevel=6, mtime=0) as packed:
        packed.write(response.get_data())
    response.set_data(out.getvalue())
    response.headers["Content-Encoding"] = "gzip"
    etag, _ = response.get_etag()
    if etag:
        response.set_etag(etag, weak=True)
    return response


def init_assets(app: Flask, *, names: Iterable[str] = ("site.css", "desk.css", "site.js", "desk.js")) -> None:
    """Serve static files and compress pages; fails at the start when one of ``names`` is missing."""
    missing = [name for name in names if name not in _shelf()]
    if missing:
        raise FileNotFoundError(f"static files are missing: {', '.join(missing)}")
    app.register_blueprint(bp)
    app.after_request(compress)
    app.jinja_env.globals.update(asset=asset, drawing=drawing)
