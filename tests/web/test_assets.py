"""Static files: named by content, kept by the browser, small; pages compressed for who takes it."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from portal.web import assets

HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
PAGE = "<!doctype html><title>t</title>" + "<p>text</p>" * 200


@pytest.fixture
def app() -> Flask:
    app = Flask("assets", static_folder=None)
    assets.init_assets(app)
    app.add_url_rule("/page", "page", lambda: PAGE)
    app.add_url_rule("/short", "short", lambda: "<p>short</p>")
    app.add_url_rule("/picture", "picture", lambda: Response(b"\x89PNG" * 500, mimetype="image/png"))
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def address(app: Flask, name: str) -> str:
    with app.test_request_context():
        return assets.asset(name)


@pytest.mark.parametrize(
    "name", ["site.css", "desk.css", "site.js", "desk.js", "icon.svg", "pictures/shirt.svg"]
)
def test_a_static_file_is_kept_for_a_year_under_the_name_of_its_content(
    app: Flask, client: FlaskClient, name: str
) -> None:
    url = address(app, name)
    answer = client.get(url)
    assert answer.status_code == 200
    assert hashlib.sha256(answer.data).hexdigest()[:12] in url
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


def test_another_hash_is_not_found(client: FlaskClient, app: Flask) -> None:
    wrong = re.sub(r"-[0-9a-f]{12}\.", "-000000000000.", address(app, "site.css"))
    assert client.get(wrong).status_code == 404


@pytest.mark.parametrize("path", ["../portal/__init__.py", "README.md", "css/tokens.css", "%2e%2e/wsgi.py"])
def test_only_what_is_meant_to_be_served_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(f"/assets/{path}").status_code == 404


def test_a_file_is_packed_only_for_who_takes_gzip(app: Flask, client: FlaskClient) -> None:
    url = address(app, "site.css")
    plain, packed = client.get(url), client.get(url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert client.get(url, headers={"Accept-Encoding": "gzip;q=0"}).data == plain.data


def test_a_page_is_packed_and_says_what_it_varies_by(client: FlaskClient) -> None:
    packed = client.get("/page", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data).decode() == PAGE
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(PAGE) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert client.get("/page").get_data(as_text=True) == PAGE


def test_the_length_of_a_packed_page_does_not_give_away_what_is_in_it(client: FlaskClient) -> None:
    lengths = {len(client.get("/page", headers={"Accept-Encoding": "gzip"}).data) for _ in range(30)}
    assert len(lengths) > 5


@pytest.mark.parametrize("path", ["/short", "/picture"])
def test_what_would_not_get_smaller_is_left_alone(client: FlaskClient, path: str) -> None:
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers


def test_style_and_script_of_a_first_page_leave_room_for_the_page(app: Flask, client: FlaskClient) -> None:
    sizes = {
        name: len(client.get(address(app, name), headers={"Accept-Encoding": "gzip"}).data)
        for name in ("site.css", "site.js", "icon.svg")
    }
    assert sizes["site.css"] <= 10_000
    assert sizes["site.js"] <= 22_000
    assert sum(sizes.values()) <= 32_000


def test_the_style_sheets_are_two_files_in_the_order_of_their_layers() -> None:
    every = list((assets.ROOT / "css").rglob("*.css"))
    desks = [file for file in every if file.parent.name == "desk"]
    counts = {assets.stylesheet: len(every) - len(desks), assets.desk_stylesheet: len(desks)}
    for sheet, count in counts.items():
        css = sheet().decode()
        assert css.startswith("@layer tokens, base, layout, components, utilities, print;")
        assert not re.search(r"@import|url\(|/\*", css)
        assert css.count("{") == css.count("}")
        assert len(re.findall(r"^@layer \w+ \{", css, flags=re.MULTILINE)) == count > 4


def test_no_script_of_ours_needs_what_the_content_security_policy_forbids() -> None:
    for file in (assets.ROOT / "js").glob("*.js"):
        text = file.read_text(encoding="utf-8")
        forbidden = r"\beval\(|new Function|innerHTML|setAttribute\(.style|https?://"
        assert not re.search(forbidden, text), file.name


def test_htmx_is_the_file_that_was_vendored() -> None:
    body = (assets.ROOT / assets.HTMX).read_bytes()
    assert hashlib.sha256(body).hexdigest() == HTMX_SHA256
    assert HTMX_SHA256 in (assets.ROOT / "vendor/htmx@2.0.11/README.md").read_text(encoding="utf-8")


def test_an_unknown_product_has_a_picture_too(app: Flask) -> None:
    with app.test_request_context():
        assert "<svg" in assets.drawing("never-drawn")
        assert assets.drawing("shirt") != assets.drawing("lamp")


def test_every_drawing_is_small_and_takes_the_colour_of_the_page() -> None:
    drawings = sorted((assets.ROOT / "pictures").glob("*.svg"))
    assert len(drawings) >= 12
    for file in drawings:
        text = file.read_text(encoding="utf-8")
        assert "currentColor" in text, file.name
        assert "<script" not in text, file.name
        assert len(text) < 900, file.name


def test_a_missing_file_stops_the_start() -> None:
    with pytest.raises(FileNotFoundError, match="js/nothing.js"):
        assets.init_assets(Flask("other", static_folder=None), names=("js/nothing.js",))


def test_templates_carry_no_script_and_no_style_of_their_own() -> None:
    root = Path(__file__).resolve().parents[2] / "templates"
    forbidden = r"<style|\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)|javascript:"
    guilty = [
        str(file.relative_to(root))
        for file in root.rglob("*.html")
        if "email" not in file.relative_to(root).parts
        and re.search(forbidden, file.read_text(encoding="utf-8"))
    ]
    assert guilty == []
