"""The checking client itself: it must find what it is there to find."""

import io
from collections.abc import Callable

import pytest
from flask import Flask, Response, render_template_string, request
from sqlalchemy import create_engine, text

from tests.checking import CheckingClient, Fault
from tests.html import page_faults

HEAD = """<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width">
<title>T</title></head>"""
FORM = """<form method="post" action="/echo"><input type="hidden" name="csrf_token" value="t0">
<label for="a">A</label><input id="a" name="a" value="one">
<label><input type="checkbox" name="b" value="yes" checked> B</label>
<label for="c">C</label>
<select id="c" name="c"><option value="1">x</option><option value="2" selected>y</option></select>
<label for="d">D</label><textarea id="d" name="d">\nlines</textarea>
<label for="f">F</label><input id="f" type="file" name="f">
<button name="do" value="save">Save</button>
<button name="do" value="more" formaction="/echo?more=1">More</button></form>"""


def page(body: str) -> str:
    return f"{HEAD}<body><main><h1>H</h1>{body}</main></body></html>"


def test_a_good_page_has_no_faults() -> None:
    assert page_faults(page(FORM)) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p><div></div></p>", "not valid HTML"),
        ("<p id=a></p><p id=a></p>", "id 'a' is used 2 times"),
        ('<p style="color: red">x</p>', "attribute style"),
        ('<button onclick="x">x</button>', "attribute onclick"),
        ('<button hx-on:click="x">x</button>', "attribute hx-on:click"),
        ("<script>x</script>", "<script> stands in the page"),
        ('<script src="https://cdn.example.com/x.js"></script>', "third party"),
        ('<img src="/x.png">', "has no alt"),
        ("<a>x</a>", "leads nowhere"),
        ('<a href="/x"></a>', "has no words"),
        ('<a href="javascript:x">x</a>', "runs a script"),
        ('<form method="get" action="/x"><input name="q"><button>Go</button></form>', "has no label"),
        ('<form method="get" action="/x"><label>A <input></label><button>Go</button></form>', "has no name"),
        ('<form method="post" action="/x"><button>Go</button></form>', "csrf_token"),
        (
            '<form method="post"><input type="hidden" name="csrf_token" value="t"><button>x</button></form>',
            "no action",
        ),
        ('<form method="get" action="/x"></form>', "no button"),
        ('<form method="get" action="/x" hx-get="/y"><button>Go</button></form>', "goes elsewhere"),
        ('<label for="nobody">x</label>', "points at nothing"),
        ('<p hx-target="#nobody">x</p>', "points at nothing"),
        ("<h1>Again</h1>", "one <h1>"),
    ],
)
def test_each_fault_is_found(body: str, said: str) -> None:
    found = page_faults(page(body))
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    ("html", "said"),
    [
        (page("").replace(' lang="en"', ""), "no lang"),
        (page("").replace("<title>T</title>", "<title></title>"), "one <title>"),
        (page("").replace("<main>", "").replace("</main>", ""), "one <main>"),
    ],
)
def test_each_fault_of_a_whole_page_is_found(html: str, said: str) -> None:
    assert any(said in fault for fault in page_faults(html))


def test_a_row_alone_is_a_valid_fragment() -> None:
    assert page_faults('<tr id="row"><td>x</td></tr>') == []
    assert page_faults('<div id="a"><p>x</p></div><div id="b" hx-swap-oob="true">y</div>') == []


@pytest.fixture
def visit() -> Callable[..., CheckingClient]:
    def make(html: str, *, policy: str = "default-src 'none'") -> CheckingClient:
        app = Flask("small")
        app.test_client_class = CheckingClient

        @app.get("/")
        def home() -> Response:
            return Response(
                html, headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
            )

        @app.get("/asks")
        def asks() -> Response:
            with create_engine("sqlite://").connect() as connection:
                shown = render_template_string(
                    "{{ ask() }}", ask=lambda: connection.execute(text("SELECT 1")).scalar()
                )
            return Response(shown, mimetype="text/plain")

        @app.post("/echo")
        def echo() -> dict[str, object]:
            files = {name: file.filename for name, file in request.files.items()}
            return {
                "form": request.form.to_dict(flat=False),
                "files": files,
                "more": request.args.get("more", ""),
            }

        client = app.test_client()
        assert isinstance(client, CheckingClient)
        return client

    return make


def test_a_form_is_sent_as_a_browser_sends_it(visit: Callable[..., CheckingClient]) -> None:
    client = visit(page(FORM))
    sent = client.submit(client.get("/"), {"a": "two"}, button="Save").get_json()
    assert sent["form"] == {
        "csrf_token": ["t0"],
        "a": ["two"],
        "b": ["yes"],
        "c": ["2"],
        "d": ["lines"],
        "do": ["save"],
    }


def test_boxes_are_unchecked_files_are_sent_and_buttons_have_their_own_address(
    visit: Callable[..., CheckingClient],
) -> None:
    client = visit(page(FORM))
    file = (io.BytesIO(b"x"), "photo.jpg")
    sent = client.submit(client.get("/"), {"f": file}, drop=["b"], button="More").get_json()
    assert "b" not in sent["form"] and sent["files"] == {"f": "photo.jpg"} and sent["more"] == "1"


def test_a_field_that_the_page_lacks_cannot_be_sent(visit: Callable[..., CheckingClient]) -> None:
    client = visit(page(FORM))
    with pytest.raises(AssertionError, match="no field 'z'"):
        client.submit(client.get("/"), {"z": "1"})


@pytest.mark.parametrize("policy", ["", "default-src 'self'; script-src 'unsafe-inline'", "default-src *"])
def test_a_hole_in_the_policy_is_found(visit: Callable[..., CheckingClient], policy: str) -> None:
    with pytest.raises(Fault, match="Content-Security-Policy"):
        visit(page(FORM), policy=policy).get("/")


def test_a_template_that_asks_the_database_is_found(visit: Callable[..., CheckingClient]) -> None:
    with pytest.raises(Fault, match="asks the database while it renders: SELECT 1"):
        visit("").get("/asks")
