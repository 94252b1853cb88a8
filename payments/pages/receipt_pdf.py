"""A receipt as a PDF of one column. Knows nothing of escrows: it gets labels, values, lines and a text."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fpdf.bidi import auto_detect_base_direction
from fpdf.enums import Align, TextDirection, WrapMode, XPos, YPos

from payments.pages.letters import FAMILY, Letters, Page, is_shaped

_LABEL_WIDTH = 46
_GREY = (86, 96, 101)
_NO_LETTER = (
    "This file has no letters for some of the characters: each of them stands as its code, like [U+1F600]. "
    "The page of this receipt shows them."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction; `url` is empty where no explorer is known, the hash where there are several."""

    when: str
    what: str
    amount: str
    address: str
    tx_hash: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What a receipt says. A value of `facts` may have several lines, `text` several pages."""

    title: str
    facts: Sequence[tuple[str, str]]
    lines: Sequence[Line]
    heading: str
    text: str
    printed: datetime

    @property
    def footer(self) -> str:
        when = f"{self.printed.astimezone(UTC):%d %B %Y %H:%M} UTC"
        return f"Holdfast, USDT escrow. Made {when}. Only final transactions are listed."

    def texts(self) -> Iterator[str]:
        """Everything that is written, each text whole."""
        yield from (self.title, self.heading, self.text, self.footer, "Transactions", "None yet.", _NO_LETTER)
        yield "0123456789/{}nb"
        for pair in self.facts:
            yield from pair
        for line in self.lines:
            yield from (line.when, line.what, line.amount, line.address, line.tx_hash)
        yield "transaction "


def lines_of(paragraph: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    """Its lines of at most `width`, broken between words; a word that is longer, between letters."""
    line, used, space = "", 0.0, measure(" ")
    for word in paragraph.split(" "):
        for part in [word] if measure(word) <= width else _parts_of(word, width, measure):
            long = measure(part)
            if line and used + space + long > width:
                yield line
                line, used = part, long
            else:
                line, used = (f"{line} {part}", used + space + long) if line else (part, long)
    yield line


def _parts_of(word: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """A letter keeps the marks above, below and around it."""
    parts, used = [""], 0.0
    for letter in word:
        long = measure(letter)
        if parts[-1] and used + long > width and not unicodedata.category(letter).startswith("M"):
            parts.append("")
            used = 0.0
        parts[-1] += letter
        used += long
    return parts


class _Receipt(Page):
    def __init__(self, letters: Letters, footer: str) -> None:
        super().__init__(format="A4")
        self.letters, self.foot = letters, footer
        self.set_margin(18)
        self.set_auto_page_break(True, margin=22)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_text_shaping(False)
        self.set_font(FAMILY, size=8)
        self.set_text_color(*_GREY)
        self.cell(0, 6, self.foot)
        self.cell(0, 6, f"{self.page_no()}/{{nb}}", align="R")
        self.set_text_color(0)

    def put(self, text: str, height: float, width: float = 0, link: str = "") -> None:
        """Paragraphs, each from the side on which its script begins; a word that is too long is broken."""
        start, width = self.get_x(), width or self.w - self.r_margin - self.get_x()
        for paragraph in self.letters[text].split("\n"):
            self.set_text_shaping(False)
            if is_shaped(paragraph):
                self._put_shaped(paragraph, height, width, start, link)
                continue
            self.set_x(start)
            self.multi_cell(
                width,
                height,
                paragraph or " ",
                align=Align.L,
                new_x=XPos.LMARGIN,
                new_y=YPos.NEXT,
                wrapmode=WrapMode.WORD,
                link=link,
            )

    def _put_shaped(self, paragraph: str, height: float, width: float, start: float, link: str) -> None:
        """Measured by words: letters that join have no width alone, and fpdf would shape each twice."""
        direction = auto_detect_base_direction(paragraph)
        align = Align.R if direction == TextDirection.RTL else Align.L
        self.set_text_shaping(True, direction=direction)
        measure = cache(self.get_string_width)
        for line in lines_of(paragraph, width - 2 * self.c_margin, measure):
            self.set_x(start)
            self.cell(width, height, line, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT, link=link)

    def heading(self, text: str, size: float, height: float) -> None:
        self.set_font(FAMILY, "B", size)
        self.put(text, height)


def render(document: Document) -> bytes:
    """The bytes of the file."""
    letters = Letters(document.texts())
    with TemporaryDirectory() as folder:
        page = _Receipt(letters, document.footer)
        letters.load(page, Path(folder))
        page.set_title(document.title)
        page.add_page()
        _write(page, document)
        return bytes(page.output())


def _write(page: _Receipt, document: Document) -> None:
    page.heading(document.title, 20, 12)
    page.ln(3)
    for label, value in document.facts:
        _fact(page, label, value)
    page.ln(5)
    page.heading("Transactions", 12, 8)
    page.set_font(FAMILY, size=10)
    if not document.lines:
        page.put("None yet.", 7)
    for line in document.lines:
        _line(page, line)
    if document.text:
        page.ln(5)
        page.heading(document.heading, 12, 8)
        page.set_font(FAMILY, size=9)
        page.put(document.text, 5)
    if page.letters.missing:
        page.ln(5)
        if page.will_page_break(9):
            page.add_page()
        page.set_font(FAMILY, size=8)
        page.set_text_color(*_GREY)
        page.put(_NO_LETTER, 4.5)


def _fact(page: _Receipt, label: str, value: str) -> None:
    if page.will_page_break(6.5):
        page.add_page()
    page.set_font(FAMILY, size=9)
    page.set_text_color(*_GREY)
    page.cell(_LABEL_WIDTH, 5.5, page.letters[label])
    page.set_text_color(0)
    page.put(value, 5.5)
    page.ln(1)


def _line(page: _Receipt, line: Line) -> None:
    """Rows that stay together: what and how much; when; then the address and the transaction."""
    if page.will_page_break(26):
        page.add_page()
    page.set_draw_color(223, 228, 225)
    page.line(page.l_margin, page.get_y(), page.w - page.r_margin, page.get_y())
    page.ln(2)
    page.set_font(FAMILY, "B", 10)
    page.set_text_shaping(False)
    top, amount = page.get_y(), page.letters[line.amount]
    page.cell(0, 6, amount, align="R")
    page.set_xy(page.l_margin, top)
    page.put(line.what, 6, page.epw - page.get_string_width(amount) - 6)
    page.set_font(FAMILY, size=8)
    page.set_text_color(*_GREY)
    for text, link in ((line.when, ""), (line.address, ""), (line.tx_hash, line.url)):
        if text:
            page.put(text, 4.5, link=link)
    page.set_text_color(0)
    page.ln(2)
