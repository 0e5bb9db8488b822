"""Credit transfer files: valid by the schema of ISO 20022, exact, the same for ever; accounts that are checked."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sepaxml
import xmlschema

from portal.adapters.payments.bank import NAMESPACE, SCHEMA, Pain001, cleaned
from portal.core.bank import BankAccount, BankTransfer, TransferOrder, account_from, masked
from portal.ports import Declined

BANK = Pain001()
XSD = xmlschema.XMLSchema(Path(sepaxml.__file__).parent / "schemas" / f"{SCHEMA}.xsd")
PAYER = BankAccount(holder="Demo & Söhne GmbH", iban="DE89370400440532013000", bic="COBADEFFXXX")
NL, FR, GB = "NL91ABNA0417164300", "FR1420041010050500013M02606", "GB29NWBK60161331926819"


def a_transfer(number: int = 1, amount: int = 1234, iban: str = NL, **more: str) -> BankTransfer:
    to = BankAccount(holder=more.pop("holder", "Demo Customer"), iban=iban, bic=more.pop("bic", ""))
    return BankTransfer(
        end_to_end_id=f"RF-7K3M-9QX1-{number}",
        amount=amount,
        to=to,
        text=more.pop("text", "Demo shop RF-7K3M-9QX1"),
    )


def an_order(*transfers: BankTransfer, **more: object) -> TransferOrder:
    order = TransferOrder(
        message_id="BT-7K3M-9QX1",
        made_at=datetime(2026, 6, 15, 10, 30, tzinfo=UTC),
        execute_on=date(2026, 6, 16),
        currency="EUR",
        payer=PAYER,
        transfers=transfers or (a_transfer(),),
    )
    return replace(order, **more)


def elements(file: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(file).iter(f"{{{NAMESPACE}}}{tag}"))  # noqa: S314 - our own file


def nodes(file: str, tag: str) -> list[str]:
    return [node.text or "" for node in elements(file, tag)]


def test_the_file_is_valid_by_the_schema_and_its_sums_are_exact():
    amounts = (1, 99, 100, 123456789, 5)
    transfers = [
        a_transfer(number, amount, iban)
        for number, (amount, iban) in enumerate(zip(amounts, (NL, FR, GB, NL, FR), strict=True), 1)
    ]
    file = BANK.written(an_order(*transfers))
    XSD.validate(file)
    assert nodes(file, "InstdAmt") == ["0.01", "0.99", "1.00", "1234567.89", "0.05"]
    assert nodes(file, "CtrlSum") == ["1234569.94"] * 2
    assert sum(map(Decimal, nodes(file, "InstdAmt"))) == Decimal(nodes(file, "CtrlSum")[0])
    assert nodes(file, "NbOfTxs") == ["5", "5"]
    assert {node.get("Ccy") for node in elements(file, "InstdAmt")} == {"EUR"}


def test_the_same_order_gives_the_same_file_to_the_byte():
    assert BANK.written(an_order()) == BANK.written(an_order())


def test_message_and_transfers_carry_the_names_they_were_given():
    file = BANK.written(an_order(a_transfer(1), a_transfer(2)))
    assert nodes(file, "MsgId") == nodes(file, "PmtInfId") == ["BT-7K3M-9QX1"]
    assert nodes(file, "EndToEndId") == ["RF-7K3M-9QX1-1", "RF-7K3M-9QX1-2"]
    assert nodes(file, "CreDtTm") == ["2026-06-15T10:30:00Z"]
    assert nodes(file, "ReqdExctnDt") and "2026-06-16" in nodes(file, "Dt")
    assert nodes(file, "Ustrd") == ["Demo shop RF-7K3M-9QX1"] * 2


def test_a_bank_code_is_told_where_it_is_known_and_said_to_be_missing_where_not():
    file = BANK.written(an_order(a_transfer(bic="ABNANL2A"), payer=replace(PAYER, bic="")))
    XSD.validate(file)
    assert nodes(file, "BICFI") == ["ABNANL2A"]
    assert "NOTPROVIDED" in nodes(file, "Id")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Jürgen Groß", "Juergen Gross"),
        ("Żółć Łukasz", "Zolc Lukasz"),
        ("François d'Été", "Francois d'Ete"),
        ("Demo & Söhne <b>", "Demo + Soehne b"),
        ("Ναταλία", "Natalia"),
        ("Наталья", "Natal'ia"),
        ("/x//y/", "x/y"),
        ("  a \t b\n", "a b"),
        ("😀", ""),
    ],
)
def test_names_are_put_into_letters_that_every_bank_takes(written, read):
    assert cleaned(written, 70) == read


def test_long_names_and_texts_are_cut_to_what_the_format_holds():
    file = BANK.written(an_order(a_transfer(holder="Ä" * 100, text="ß" * 300)))
    XSD.validate(file)
    assert len(nodes(file, "Nm")[2]) == 70 and len(nodes(file, "Ustrd")[0]) == 140


@pytest.mark.parametrize("iban", ["NL91 ABNA 0417 1643 00", "nl91abna0417164300", "NL91-ABNA-0417-1643-00"])
def test_an_account_number_is_understood_however_it_is_typed(iban):
    assert BANK.account(holder=" Demo  Customer ", iban=iban) == BankAccount(holder="Demo Customer", iban=NL)


@pytest.mark.parametrize(
    ("holder", "iban", "bic", "code"),
    [
        ("Demo Customer", "NL91ABNA0417164301", "", "iban_wrong"),  # a digit is wrong
        ("Demo Customer", "DE8937040044053201300", "", "iban_wrong"),  # one is missing
        ("Demo Customer", "", "", "iban_wrong"),
        ("Demo Customer", "4242424242424242", "", "iban_wrong"),  # a card
        ("Demo Customer", "TR330006100519786457841326", "", "iban_not_sepa"),
        ("", NL, "", "holder_missing"),
        ("😀", NL, "", "holder_missing"),
        ("Demo Customer", NL, "ABNA", "bic_wrong"),
    ],
)
def test_what_is_wrong_with_an_account_is_said(holder, iban, bic, code):
    with pytest.raises(Declined) as refusal:
        BANK.account(holder=holder, iban=iban, bic=bic)
    assert refusal.value.code == code


@pytest.mark.parametrize("currency", ["GBP", "JPY", "KWD", "CHF"])
def test_another_currency_than_the_euro_is_refused(currency):
    with pytest.raises(Declined) as refusal:
        BANK.written(an_order(currency=currency))
    assert refusal.value.code == "currency_not_sepa"


def test_a_file_of_nothing_is_refused():
    with pytest.raises(Declined) as refusal:
        BANK.written(replace(an_order(), transfers=()))
    assert refusal.value.code == "nothing_to_transfer"


def test_a_transfer_to_a_wrong_account_never_gets_into_a_file():
    with pytest.raises(Declined) as refusal:
        BANK.written(an_order(a_transfer(1), a_transfer(2, iban="NL91ABNA0417164301")))
    assert refusal.value.code == "iban_wrong"


def test_an_account_is_shown_by_its_country_and_its_end():
    assert masked(NL) == "NL•• •••• 4300"
    assert masked("") == masked("DE12") == "••••"


def test_an_account_survives_being_kept():
    account = BANK.account(holder="Demo Customer", iban=FR)
    assert account_from(account.record()) == account
    assert account_from({}) is None and account_from({"iban": FR}) is None
