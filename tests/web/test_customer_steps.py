"""Reasons, address, sending and check: answered once, refused all at once, found again after back and forth."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from portal.core.policy.terms import Terms
from tests.web.shops import (
    Prepared,
    Shop,
    add_order,
    draft_of,
    nothing_changes,
    open_shop,
    picture,
    prepare,
    walk_in,
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def chosen(shop: Shop) -> Prepared:
    """Items are chosen, nothing else."""
    return prepare(shop, units={"SHT": 1})


@pytest.fixture
def answered(shop: Shop) -> Prepared:
    """Items and reasons are there."""
    return prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))


def fields(shop: Shop, prepared: Prepared) -> dict[str, str]:
    line_id = draft_of(shop, prepared).lines[0].id
    return {name: f"{name}-{line_id}" for name in ("reason", "condition", "note", "photos")} | {
        "id": str(line_id)
    }


# ------------------------------------------------------------------------------------------------- reasons


def test_the_reasons_come_in_two_levels_and_none_is_chosen_beforehand(
    client: Any, chosen: Prepared, shop: Shop
) -> None:
    page = walk_in(client, chosen).page
    select = page.by_id(fields(shop, chosen)["reason"])
    groups = [group.get("label") for group in select.iter("optgroup")]
    assert groups[:3] == ["Size and fit", "Color and style", "Quality or defect"]
    assert not [option for option in select.iter("option") if option.get("selected") is not None]


def test_a_reason_and_a_condition_lead_on(client: Any, shop: Shop, chosen: Prepared) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    answer = client.submit(
        page, {name["reason"]: "too_small", name["condition"]: "unopened"}, button="Continue"
    )
    assert answer.status_code == 303
    line = draft_of(shop, chosen).lines[0]
    assert (line.reason, line.condition) == ("too_small", "unopened")


def test_everything_that_is_missing_is_told_at_once_with_a_link_to_its_field(
    client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    answer = client.submit(walk_in(client, chosen), button="Continue")
    assert answer.status_code == 422
    targets = answer.page.links().values()
    assert f"#{name['reason']}" in targets
    assert f"#{name['condition']}" in targets


def test_what_was_answered_is_kept_when_something_else_is_missing(
    client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    answer = client.submit(
        walk_in(client, chosen), {name["reason"]: "other", name["note"]: ""}, button="Continue"
    )
    assert answer.status_code == 422
    assert "write a few words" in answer.page.text
    assert draft_of(shop, chosen).lines[0].reason == "other"


def test_an_unknown_reason_is_nobodys_answer(client: Any, shop: Shop, chosen: Prepared) -> None:
    name = fields(shop, chosen)
    walk_in(client, chosen)
    data = {name["reason"]: "recall", name["condition"]: "shiny"}
    assert client.post(chosen.home + "/reasons", data=data).status_code == 422
    assert draft_of(shop, chosen).lines[0].reason is None


def test_one_answer_is_saved_at_once_and_tells_what_it_asks_further(
    client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    walk_in(client, chosen)
    target = f"need-{name['id']}"
    answer = client.post(
        f"{chosen.home}/reasons/{name['id']}", data={name["reason"]: "defective"}, htmx=target
    )
    assert answer.status_code == 200
    assert "This reason needs a photo" in answer.get_data(as_text=True)
    assert 'type="file"' not in answer.get_data(as_text=True), "a photo may be on its way from there"
    assert draft_of(shop, chosen).lines[0].reason == "defective"
    assert len(answer.get_data()) < 8_000


def test_a_reason_that_needs_a_photo_does_not_go_on_without_one(
    client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    data = {name["reason"]: "defective", name["condition"]: "defective"}
    refused = client.submit(page, data, button="Continue")
    assert refused.status_code == 422
    assert "add a photo" in refused.page.text
    went_on = client.submit(refused, {name["photos"]: (BytesIO(picture()), "broken.jpg")}, button="Continue")
    assert went_on.status_code == 303
    assert len(draft_of(shop, chosen).lines[0].photos) == 1


def test_a_photo_is_made_anew_without_what_the_camera_wrote_into_it(
    client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    out = BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (50, 40), "navy").save(out, "JPEG", exif=exif)
    assert b"SecretCamera" in out.getvalue()
    client.submit(page, {name["photos"]: (BytesIO(out.getvalue()), "../../x.jpg")}, button="Add these photos")
    photo = draft_of(shop, chosen).lines[0].photos[0]
    served = client.get(f"{chosen.home}/reasons/photos/{photo}")
    assert served.mimetype == "image/jpeg"
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert b"SecretCamera" not in served.get_data()
    assert not Image.open(BytesIO(served.get_data())).getexif()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7 nothing",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"x" * 50,
        b"\x00" * 900,
    ],
    ids=["empty", "pdf", "svg", "broken gif", "zeros"],
)  # fmt: skip
def test_what_is_no_photo_is_not_kept(client: Any, shop: Shop, chosen: Prepared, content: bytes) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    answer = client.submit(page, {name["photos"]: (BytesIO(content), "photo.jpg")}, button="Add these photos")
    assert answer.status_code == (303 if not content else 422)
    assert not draft_of(shop, chosen).lines[0].photos


def test_a_photo_of_too_many_pixels_or_bytes_is_refused(client: Any, shop: Shop, chosen: Prepared) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    large = picture(size=(9000, 9000), format="PNG")
    for content in (large, b"\xff\xd8\xff" + b"0" * (11 * 1024 * 1024)):
        answer = client.submit(
            page, {name["photos"]: (BytesIO(content), "photo.png")}, button="Add these photos"
        )
        assert answer.status_code == 422
    assert not draft_of(shop, chosen).lines[0].photos


def test_no_more_photos_than_the_shop_takes(client: Any, app: Flask) -> None:
    shop = open_shop(app, "few", Terms(max_photos=2))
    add_order(shop)
    chosen = prepare(shop, units={"SHT": 1})
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    files = [(BytesIO(picture()), f"{i}.jpg") for i in range(3)]
    answer = client.submit(page, {name["photos"]: files}, button="Add these photos")
    assert answer.status_code == 422
    assert len(draft_of(shop, chosen).lines[0].photos) == 2


def test_a_photo_can_be_taken_back(client: Any, shop: Shop, chosen: Prepared) -> None:
    name = fields(shop, chosen)
    page = walk_in(client, chosen)
    added = client.submit(
        page, {name["photos"]: (BytesIO(picture()), "a.jpg")}, button="Add these", follow_redirects=True
    )
    client.submit(added, button="Remove photo 1")
    assert not draft_of(shop, chosen).lines[0].photos


def test_a_photo_is_not_shown_with_another_customers_link(
    app: Flask, client: Any, shop: Shop, chosen: Prepared
) -> None:
    name = fields(shop, chosen)
    client.submit(
        walk_in(client, chosen), {name["photos"]: (BytesIO(picture()), "a.jpg")}, button="Add these photos"
    )
    photo = draft_of(shop, chosen).lines[0].photos[0]
    other = prepare(shop)
    stranger = app.test_client()
    stranger.get(other.path)
    assert stranger.get(f"{other.home}/reasons/photos/{photo}").status_code == 404
    assert stranger.get(f"{chosen.home}/reasons/photos/{photo}").status_code == 404


# ------------------------------------------------------------------------------------------------- address


def test_an_address_that_the_order_knows_is_not_asked_again(
    client: Any, shop: Shop, answered: Prepared
) -> None:
    page = walk_in(client, answered)
    assert page.request.path == answered.home + "/sending"
    assert "Beispielweg 12" in page.page.text
    assert draft_of(shop, answered).address.city == "Hamburg"


def test_the_address_page_is_filled_in_and_asks_as_the_country_writes(
    client: Any, answered: Prepared
) -> None:
    walk_in(client, answered)
    page = client.get(answered.home + "/address").page
    assert page.by_id("postcode").get("value") == "20359"
    assert page.by_id("postcode").get("autocomplete") == "postal-code"


def test_what_is_wrong_with_an_address_is_told_at_its_field(
    client: Any, app: Flask, answered: Prepared
) -> None:
    walk_in(client, answered)
    page = client.get(answered.home + "/address")
    with nothing_changes(app):
        answer = client.submit(page, {"postcode": "ABC", "city": ""}, button="Continue")
    assert answer.status_code == 422
    assert answer.page.by_id("postcode").get("aria-invalid") == "true"
    assert answer.page.by_id("city").get("aria-invalid") == "true"
    assert answer.page.by_id("postcode").get("value") == "ABC"


def test_another_country_asks_its_own_fields_and_keeps_what_was_typed(
    client: Any, shop: Shop, answered: Prepared
) -> None:
    walk_in(client, answered)
    page = client.get(answered.home + "/address")
    american = client.submit(page, {"country": "US", "city": "Springfield"}, button="Change country")
    assert american.status_code == 422
    assert american.page.has_id("region")
    assert american.page.by_id("city").get("value") == "Springfield"
    assert not american.page.title.startswith("Error:")
    sent = client.submit(
        american, {"region": "IL", "postcode": "62701", "street": "1 Main Street"}, button="Continue"
    )
    assert sent.status_code == 303
    assert draft_of(shop, answered).address.country == "US"


def test_the_fields_of_another_country_come_as_a_fragment(client: Any, answered: Prepared) -> None:
    walk_in(client, answered)
    answer = client.post(answered.home + "/address", data={"country": "US", "shown": "DE"}, htmx="fields")
    assert answer.get_data(as_text=True).lstrip().startswith('<div id="fields"')


# ------------------------------------------------------------------------------------------------- sending


def ways(page: Any) -> dict[str, str]:
    """id of the field -> name of the way"""
    form = page.page.form(button="Continue")
    return {
        one.get("id"): one.get("value")
        for one in form.iter("input")
        if one.get("name") == "rate"
    }  # fmt: skip


def test_every_way_has_its_price_and_none_is_chosen_beforehand(client: Any, answered: Prepared) -> None:
    page = walk_in(client, answered)
    text = page.page.text
    for name in (
        "QR code, no printer",
        "Print a label",
        "Pick-up at home",
        "Drop-off point",
        "My own carrier",
    ):
        assert name in text
    assert "taken off your refund" in text
    assert "working day" in text
    checked = [
        one for one in page.page.form(button="Continue").iter("input") if one.get("checked") is not None
    ]
    assert not checked


def test_no_way_chosen_does_not_go_on(client: Any, app: Flask, answered: Prepared) -> None:
    page = walk_in(client, answered)
    with nothing_changes(app):
        answer = client.submit(page, button="Continue")
    assert answer.status_code == 422
    assert "Choose how you send the parcel." in answer.page.text


def choose(client: Any, page: Any, way: str, **more: str) -> Any:
    found = next(key for key, value in ways(page).items() if way in value)
    number = found.removeprefix("rate-")
    data = {"rate": ways(page)[found], **{f"{name}-{number}": value for name, value in more.items()}}
    return client.submit(page, data, button="Continue")


def test_a_chosen_way_leads_to_the_check_with_its_price_in_the_breakdown(
    client: Any, shop: Shop, answered: Prepared
) -> None:
    page = walk_in(client, answered)
    assert choose(client, page, "print_at_home").status_code == 303
    check = client.get(answered.home + "/check").page
    assert "Return shipping" in check.text
    assert "Policy" in check.text or "policy" in check.text


def test_a_pick_up_needs_a_day(client: Any, shop: Shop, answered: Prepared) -> None:
    page = walk_in(client, answered)
    refused = choose(client, page, "pickup")
    assert refused.status_code == 422
    assert "Choose when the driver shall come." in refused.page.text


def test_a_drop_off_point_has_to_be_chosen(client: Any, answered: Prepared) -> None:
    refused = choose(client, walk_in(client, answered), "dropoff_point")
    assert refused.status_code == 422
    assert "Choose a drop-off point." in refused.page.text


def test_a_mistyped_tracking_number_is_noticed(client: Any, shop: Shop, answered: Prepared) -> None:
    page = walk_in(client, answered)
    wrong = choose(client, page, "own_carrier", tracking="RR 12345678 6 DE")
    assert wrong.status_code == 422
    assert "typing error" in wrong.page.text
    assert choose(client, page, "own_carrier", tracking="RR 12345678 5 DE").status_code == 303
    assert draft_of(shop, answered).sending.tracking_number == "RR123456785DE"


def test_a_way_that_nobody_offers_is_refused(client: Any, app: Flask, answered: Prepared) -> None:
    walk_in(client, answered)
    with nothing_changes(app):
        assert client.post(answered.home + "/sending", data={"rate": "house.free"}).status_code == 422


# --------------------------------------------------------------------------------------- the order of things


def test_a_step_that_is_too_early_leads_to_the_one_that_is_due(client: Any, shop: Shop) -> None:
    empty = prepare(shop)
    walk_in(client, empty)
    for path, leads in (("/reasons", "/items"), ("/sending", "/address"), ("/check", "/items")):
        answer = client.get(empty.home + path)
        assert answer.status_code == 303, path
        assert answer.headers["Location"].endswith(leads), path


def test_changing_the_items_asks_for_the_way_of_sending_again_and_comes_straight_back(
    client: Any, shop: Shop, answered: Prepared
) -> None:
    choose(client, walk_in(client, answered), "print_at_home")
    items = client.get(answered.home + "/items")
    there = client.submit(
        items, {f"units-{answered.lines['MUG']}": "1"}, button="Continue", follow_redirects=True
    )
    assert there.request.path == answered.home + "/reasons"


def test_an_unchanged_answer_comes_straight_back_to_the_check(client: Any, answered: Prepared) -> None:
    choose(client, walk_in(client, answered), "print_at_home")
    reasons = client.get(answered.home + "/reasons")
    back = client.submit(reasons, button="Continue", follow_redirects=True)
    assert back.request.path == answered.home + "/check"


@pytest.mark.parametrize("language", ["de", "fr"])
def test_every_page_speaks_the_language_that_was_chosen(
    client: Any, answered: Prepared, language: str
) -> None:
    walk_in(client, answered)
    paths = ("", "/items", "/reasons", "/address", "/sending")
    english = {client.get(answered.home + path).page.h1 for path in paths}
    switched = client.get(answered.home + f"/items?lang={language}")
    assert switched.status_code == 303
    assert "lang=" not in switched.headers["Location"]
    for path in paths:
        page = client.get(answered.home + path)
        assert f'<html lang="{language}"' in page.get_data(as_text=True)
        assert page.page.h1 not in english
