"""The receipt as a file: every script is written, nothing is dropped, long texts stay on the page."""

import logging
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF
from fpdf.enums import Align
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.pages import receipt_pdf
from payments.pages.letters import Letters, Page, is_shaped
from payments.pages.receipt_pdf import Document, Line

HASH = "0x" + "ab" * 32
SAMPLES = {
    "Arabic": "شراء موقع إلكتروني ١٢٣، پیام گچ",
    "Hebrew": "שָׁלוֹם עולם",
    "Thai": "ที่อยู่ของผู้ขาย",
    "Hindi": "क्षत्रिय ज्ञान श्री क्‍ष",
    "Bengali": "বাংলা ভাষা",
    "Tamil": "தமிழ் மொழி",
    "Telugu": "తెలుగు",
    "Gujarati": "ગુજરાતી",
    "Punjabi": "ਪੰਜਾਬੀ",
    "Kannada": "ಕನ್ನಡ",
    "Malayalam": "മലയാളം",
    "Sinhala": "සිංහල",
    "Khmer": "ខ្មែរ",
    "Lao": "ລາວ",
    "Burmese": "မြန်မာ",
    "Georgian": "ქართული",
    "Armenian": "Հայերեն",
    "Amharic": "አማርኛ",
    "Chinese": "网站开发第一阶段 網站開發",
    "Japanese": "日本語のテキストとカタカナ",
    "Korean": "한국어 텍스트",
    "Latin": "Zażółć gęślą jaźń, İstanbul, tiếng Việt, e\u0301",
    "Greek and Russian": "Ελληνικά, Кириллица, Ґ",
}


def document(*values: str, text: str = "") -> Document:
    facts = [("Deal", value) for value in values]
    line = Line("2026-11-27 23:30 UTC", "Deposit", "250.000000 USDT", "0x" + "1a" * 20, HASH)
    return Document("Receipt", facts, [line], "What was agreed", text, datetime(2026, 11, 27, tzinfo=UTC))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[FPDF]:
    """The documents that were written, to look into."""
    found: list[FPDF] = []
    output = FPDF.output

    def kept(page: FPDF, *args: Any, **kwargs: Any) -> Any:
        found.append(page)
        return output(page, *args, **kwargs)

    monkeypatch.setattr(FPDF, "output", kept)
    return found


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_script_is_written_with_letters_of_its_own(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not Letters([text]).missing
    with caplog.at_level(logging.WARNING):
        receipt_pdf.render(document(text))
    assert "missing" not in caplog.text  # what fpdf says of letters that it leaves out


def test_letters_join_and_conjuncts_form(pages: list[FPDF]) -> None:
    receipt_pdf.render(document("هههه", "क्ष"))
    (page,) = pages
    glyphs: dict[str, list[Any]] = {key: list(font.subset.items()) for key, font in page.fonts.items()}  # type: ignore[union-attr]
    arabic = next(found for key, found in glyphs.items() if "arabic" in key.lower())
    shapes = {glyph.glyph_name for glyph, _ in arabic if ord("ه") in glyph.unicode}
    assert len(shapes) >= 3, shapes  # first, middle and last look differently
    hindi = next(found for key, found in glyphs.items() if "devanagari" in key.lower())
    assert any(len(glyph.unicode) > 1 for glyph, _ in hindi)


def test_each_paragraph_starts_where_its_script_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Align] = {}

    def watched(name: str) -> None:
        write = getattr(FPDF, name)

        def kept(page: FPDF, width: float, height: float, text: str = "", **kwargs: Any) -> Any:
            seen[text] = kwargs.get("align", Align.L)
            return write(page, width, height, text, **kwargs)

        monkeypatch.setattr(FPDF, name, kept)

    watched("cell")
    watched("multi_cell")
    receipt_pdf.render(document("דוד כהן\n0x10\nAlice (דוד)\nنص 12"))
    sides = [seen[text] for text in ("דוד כהן", "0x10", "Alice (דוד)", "نص 12")]
    assert sides == [Align.R, Align.L, Align.L, Align.R]


def test_what_no_font_has_stands_as_its_code_and_the_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    put = receipt_pdf._Receipt.put
    monkeypatch.setattr(
        receipt_pdf._Receipt,
        "put",
        lambda page, text, *rest, **kw: (written.append(page.letters[text]), put(page, text, *rest, **kw)),
    )
    receipt_pdf.render(document("A \U0001f600\ufe0f and \U00012000"))
    assert "A [U+1F600] and [U+12000]" in written
    assert any("has no letters for some" in text for text in written)
    written.clear()
    receipt_pdf.render(document("Plain"))
    assert not any("has no letters" in text for text in written)


@pytest.mark.parametrize(
    "text", ["\u200d", "א\u200d 1", "A \u200f\u200e B", "\u0600", "क \u200c\u200c ख", "\u00ad"]
)
def test_what_is_invisible_by_itself_stops_no_receipt(text: str) -> None:
    assert receipt_pdf.render(document(text, text=text)).startswith(b"%PDF-")


def test_lines_are_broken_between_words_and_long_words_between_letters() -> None:
    def broken(text: str) -> list[str]:
        return list(receipt_pdf.lines_of(text, 6, lambda part: float(len(part))))

    assert broken("one two three") == ["one", "two", "three"]
    assert broken("a bc d") == ["a bc d"]
    assert broken("abcdefghij k") == ["abcdef", "ghij k"]
    assert broken("aaaaae\u0301b") == ["aaaaae\u0301", "b"]
    assert broken("") == [""]
    assert " ".join(broken("x  y")) == "x  y"


def test_nobody_turns_the_letters_of_a_name_around() -> None:
    assert Letters(["invoice\u202egnp.exe"])["invoice\u202egnp.exe"] == "invoice[U+202E]gnp.exe"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_no_letter_is_dropped(text: str) -> None:
    shown = unicodedata.normalize("NFD", Letters([text])[text])
    for letter in unicodedata.normalize("NFC", text):
        code = ord(letter)
        if unicodedata.category(letter) == "Zs" or letter == "\t" or 0xFE00 <= code <= 0xFE0F:
            continue
        assert f"[U+{code:04X}]" in shown or unicodedata.normalize("NFD", letter) in shown, hex(code)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4), st.text(max_size=200))
def test_every_text_makes_a_file(values: list[str], text: str) -> None:
    assert receipt_pdf.render(document(*values, text=text)).startswith(b"%PDF-")


def test_a_word_longer_than_the_line_is_broken(monkeypatch: pytest.MonkeyPatch, pages: list[FPDF]) -> None:
    widths: list[float] = []
    draw = FPDF._render_styled_text_line

    def kept(page: FPDF, line: Any, *args: Any, **kwargs: Any) -> Any:
        widths.append(line.text_width)
        return draw(page, line, *args, **kwargs)

    monkeypatch.setattr(FPDF, "_render_styled_text_line", kept)
    receipt_pdf.render(document("A" * 500, "漢" * 300, "ه" * 400))
    assert len(widths) > 15
    assert max(widths) <= pages[0].epw - 46


@pytest.mark.parametrize(
    "sentence",
    ["Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do. ", SAMPLES["Arabic"] * 2 + " "],
    ids=["Latin", "Arabic"],
)
def test_many_pages_take_no_longer_than_a_reader_waits(pages: list[FPDF], sentence: str) -> None:
    text = "\n\n".join([sentence * 14] * 50)
    started = time.process_time()
    receipt_pdf.render(document("A website", text=text))
    assert pages[0].pages_count >= 8
    assert time.process_time() - started < 5  # about one second of an idle processor


def test_a_usual_receipt_is_made_at_once() -> None:
    started = time.process_time()
    receipt_pdf.render(document("A website", *SAMPLES.values()))
    assert time.process_time() - started < 4
    assert not is_shaped("A website, 漢字") and is_shaped("नमस्ते")


def test_the_fonts_may_be_given_away_and_stay_small() -> None:
    folder = Path(receipt_pdf.__file__).parent / "fonts"
    fonts = list(folder.glob("*.ttf"))
    assert sum(path.stat().st_size for path in fonts) < 6_000_000
    families = {"Inter": "LICENSE", "Noto": "LICENSE.Noto", "Droid": "LICENSE.Droid"}
    for path in fonts:
        (licence,) = (name for family, name in families.items() if path.name.startswith(family))
        assert "License" in (folder / licence).read_text()
    assert issubclass(receipt_pdf._Receipt, Page)
