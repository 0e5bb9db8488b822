"""HTML as read by somebody strict: what is wrong with a page, and what its forms would send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from xml.etree import ElementTree

import html5lib
from werkzeug.datastructures import MultiDict

Node = ElementTree.Element
CONTAINERS = {"tr": "tbody", "td": "tr", "th": "tr", "tbody": "table", "thead": "table", "option": "select"}
SILENT_INPUTS = ("hidden", "submit", "button", "reset", "image")
REFERENCES = (
    "for",
    "aria-labelledby",
    "aria-describedby",
    "aria-controls",
    "aria-errormessage",
    "list",
    "form",
)


def parse(html: str) -> tuple[Node, list[str], bool]:
    """The tree, the parse errors, and whether it is a whole page (else a fragment)."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    whole = bool(re.match(r"\s*<(!doctype|html)", html, re.I))
    if whole:
        tree = parser.parse(html)
    else:
        first = re.match(r"\s*<(\w+)", html)
        tag = first.group(1).lower() if first else ""
        containers = {
            "tr": "tbody",
            "td": "tr",
            "th": "tr",
            "tbody": "table",
            "thead": "table",
            "option": "select",
        }
        tree = parser.parseFragment(html, container=containers.get(tag, "div"))
    lines = html.splitlines()
    errors = []
    for (line, column), code, _details in parser.errors:
        near = lines[min(line, len(lines)) - 1][max(0, column - 60) : column + 20].strip() if lines else ""
        errors.append(f"not valid HTML ({code}, line {line}): {near}")
    return tree, errors, whole


def words(node: Node) -> str:
    """What a reader reads in it, white space folded."""
    return " ".join("".join(node.itertext()).split())


def elements(tree: Node) -> Iterator[Node]:
    return (node for node in tree.iter() if isinstance(node.tag, str))


def page_faults(html: str) -> list[str]:
    """Everything wrong with a page or a fragment; empty when it may be shown."""
    tree, faults, whole = parse(html)
    nodes = list(elements(tree))
    ids = [node.get("id", "") for node in nodes if node.get("id") is not None]
    faults += [
        f"id {name!r} is used {ids.count(name)} times" for name in sorted(set(ids)) if ids.count(name) > 1
    ]
    faults += [fault for node in nodes for fault in _element_faults(node)]
    faults += [fault for form in tree.iter("form") for fault in _form_faults(form)]
    faults += [fault for form in tree.iter("form") for fault in _button_faults(form, nodes)]
    faults += _label_faults(tree)
    if whole:
        faults += _page_only_faults(tree, set(ids))
    return faults


def _page_only_faults(tree: Node, ids: set[str]) -> Iterator[str]:
    root = tree if tree.tag == "html" else tree.find(".//html")
    if root is None or not root.get("lang"):
        yield "<html> has no lang"
    titles = [words(node) for node in tree.findall(".//head/title")]
    if len(titles) != 1 or not titles[0]:
        yield f"should have one <title>, has {titles}"
    headings = [words(node) for node in tree.iter("h1")]
    if len(headings) != 1 or not headings[0]:
        yield f"should have one <h1>, has {headings}"
    if len(list(tree.iter("main"))) != 1:
        yield "should have one <main>"
    if tree.find(".//meta[@name='viewport']") is None:
        yield "has no <meta name=viewport>"
    for node in elements(tree):
        for name in REFERENCES:
            for wanted in node.get(name, "").split():
                if wanted not in ids:
                    yield f"<{node.tag} {name}={wanted!r}> points at nothing"
        target = node.get("hx-target", "")
        if target.startswith("#") and target[1:] not in ids:
            yield f"<{node.tag} hx-target={target!r}> points at nothing"


def _element_faults(node: Node) -> Iterator[str]:
    tag = node.tag
    for name, value in node.attrib.items():
        if name == "style" or name.startswith(("on", "hx-on")):
            yield f"<{tag}> has the attribute {name}, which the security policy forbids"
        if name in ("href", "src", "action", "formaction") and value.strip().lower().startswith(
            "javascript:"
        ):
            yield f"<{tag} {name}> runs a script"
    if tag == "style":
        yield "<style> stands in the page; styles belong in a file"
    if tag == "script" and not node.get("src"):
        yield "<script> stands in the page; scripts belong in a file"
    if tag in ("script", "img", "iframe", "source") and urlsplit(node.get("src", "")).netloc:
        yield f"<{tag} src={node.get('src')!r}> asks a third party"
    if tag == "link" and urlsplit(node.get("href", "")).netloc and node.get("rel") not in ("canonical",):
        yield f"<link href={node.get('href')!r}> asks a third party"
    if tag == "img" and node.get("alt") is None:
        yield f"<img src={node.get('src')!r}> has no alt"
    if tag == "a" and not (node.get("href") or "").strip():
        yield f"<a> {words(node)!r} leads nowhere"
    if tag in ("a", "button") and not name_of(node):
        yield f"<{tag} {dict(node.attrib)}> has no words"


def name_of(node: Node) -> str:
    pictures = " ".join(image.get("alt", "") for image in node.iter("img"))
    drawings = " ".join(words(title) for title in elements(node) if title.tag.endswith("}title"))
    own = node.get("aria-label", "") or node.get("aria-labelledby", "") or node.get("value", "")
    return f"{words(node)}{own}{pictures}{drawings}".strip()


def _form_faults(form: Node) -> Iterator[str]:
    method = form.get("method", "get").lower()
    if method not in ("get", "post", "dialog"):
        yield f"<form method={method!r}>: a form can only get and post"
    if method == "post":
        if not form.get("action"):
            yield "<form method=post> has no action"
        tokens = form.findall(".//input[@name='csrf_token']")
        if len(tokens) != 1 or not tokens[0].get("value"):
            yield f"<form action={form.get('action')!r}> should have one csrf_token, has {len(tokens)}"
    for name in ("hx-post", "hx-get"):
        if form.get(name) and form.get(name) != form.get("action"):
            yield f"<form action={form.get('action')!r}> goes elsewhere with JavaScript: {form.get(name)!r}"


def _button_faults(form: Node, nodes: list[Node]) -> Iterator[str]:
    """A form without a button is dead without JavaScript."""
    owned = [*form.iter(), *(node for node in nodes if form.get("id") and node.get("form") == form.get("id"))]
    usual = {"button": "submit", "input": "text"}
    if not any(
        node.get("type", usual[node.tag]) in ("submit", "image") for node in owned if node.tag in usual
    ):
        yield f"<form action={form.get('action')!r}> has no button to send it"


def _label_faults(tree: Node) -> Iterator[str]:
    named = {label.get("for") for label in tree.iter("label") if words(label)}
    inside = {id(node) for label in tree.iter("label") if words(label) for node in label.iter()}
    for node in elements(tree):
        if node.tag not in ("input", "select", "textarea"):
            continue
        if node.tag == "input" and node.get("type", "text").lower() in SILENT_INPUTS:
            continue
        labelled = node.get("id") in named or id(node) in inside
        if not labelled and not node.get("aria-label") and not node.get("aria-labelledby"):
            yield f"<{node.tag} name={node.get('name')!r}> has no label"
        if not node.get("name"):
            yield f"<{node.tag} id={node.get('id')!r}> has no name, so it is never sent"


class Page:
    """A page as read: its words, and its forms with the values a browser would send."""

    def __init__(self, html: str) -> None:
        self.tree, _errors, self.whole = parse(html)

    @property
    def text(self) -> str:
        body = self.tree.find(".//body")
        return words(self.tree if body is None else body)

    @property
    def title(self) -> str:
        return words(next(iter(self.tree.iter("title"))))

    @property
    def h1(self) -> str:
        return words(next(iter(self.tree.iter("h1"))))

    def by_id(self, name: str) -> Node:
        found = next((node for node in elements(self.tree) if node.get("id") == name), None)
        assert found is not None, f"nothing has the id {name!r}: {self.text[:500]}"
        return found

    def has_id(self, name: str) -> bool:
        return any(node.get("id") == name for node in elements(self.tree))

    def links(self) -> dict[str, str]:
        """What each link says, and where it leads."""
        return {name_of(node): node.get("href", "") for node in self.tree.iter("a")}

    def link(self, text: str) -> str:
        found = [href for said, href in self.links().items() if text in said]
        assert found, f"no link says {text!r}; there are {sorted(self.links())}"
        return found[0]

    def forms(self) -> list[Node]:
        return list(self.tree.iter("form"))

    def form(self, action: str = "", *, button: str = "") -> Node:
        """The form whose action has ``action`` in it, or that has the ``button``, or the only post form."""
        found = [form for form in self.forms() if not action or action in form.get("action", "")]
        if button:
            found = [form for form in found if any(button in name_of(one) for one in self.buttons(form))]
        if not action and not button and len(found) > 1:
            main = next(self.tree.iter("main"), self.tree)
            found = [form for form in main.iter("form") if form.get("method", "get").lower() == "post"]
        exact = [form for form in found if form.get("action", "").endswith(action)] if action else found
        found = exact or found
        assert len(found) == 1, (
            f"{len(found)} forms fit action={action!r} button={button!r} among "
            f"{[(form.get('action'), [name_of(b) for b in self.buttons(form)]) for form in self.forms()]}"
        )
        return found[0]

    def owned(self, form: Node, *tags: str) -> list[Node]:
        """The controls inside ``form``, and those elsewhere that name it."""
        inside = [
            node for node in form.iter() if node.tag in tags and node.get("form") in (None, form.get("id"))
        ]
        mine = [node for node in elements(self.tree) if form.get("id") and node.get("form") == form.get("id")]
        outside = [node for node in mine if node.tag in tags and node not in inside]
        return inside + outside

    def buttons(self, form: Node) -> list[Node]:
        controls = self.owned(form, "button", "input")
        return [
            c
            for c in controls
            if c.get("type", "submit" if c.tag == "button" else "text") in ("submit", "image")
        ]

    def fields(self, form: Node) -> tuple[MultiDict[str, str], set[str]]:
        """The values a browser would send untouched, and the names of all that could be sent."""
        values: MultiDict[str, str] = MultiDict()
        names: set[str] = set()
        disabled = {
            id(node)
            for group in form.iter("fieldset")
            if group.get("disabled") is not None
            for node in group.iter()
        }
        for node in self.owned(form, "input", "select", "textarea"):
            name = node.get("name")
            if not name or node.get("disabled") is not None or id(node) in disabled:
                continue
            kind = node.get("type", "text").lower()
            if kind in ("submit", "button", "reset", "image"):
                continue
            names.add(name)
            for value in _value(node, kind):
                values.add(name, value)
        return values, names


def _value(node: Node, kind: str) -> list[str]:
    if node.tag == "textarea":
        return [("".join(node.itertext())).removeprefix("\n")]
    if node.tag == "select":
        options = list(node.iter("option"))
        chosen = [option for option in options if option.get("selected") is not None]
        if not chosen and node.get("multiple") is None:
            chosen = options[:1]
        return [option.get("value", words(option)) for option in chosen]
    if kind in ("checkbox", "radio"):
        return [node.get("value", "on")] if node.get("checked") is not None else []
    if kind == "file":
        return []
    return [node.get("value", "")]
