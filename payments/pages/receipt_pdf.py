"""A receipt as a PDF of one column. Knows nothing of escrows: it gets labels, values and lines."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import WrapMode, XPos, YPos

Line = tuple[str, str, str, str, str]

_FONTS = Path(__file__).resolve().parent / "fonts"
_LABEL_WIDTH = 46
_GREY = (86, 96, 101)


class _Page(FPDF):
    def __init__(self, printed: datetime) -> None:
        super().__init__(format="A4")
        self.printed = printed
        self.set_margin(18)
        self.set_auto_page_break(True, margin=22)
        for style, name in (("", "Inter-Regular.ttf"), ("B", "Inter-SemiBold.ttf")):
            self.add_font("Inter", style, _FONTS / name)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("Inter", size=8)
        self.set_text_color(*_GREY)
        when = f"{self.printed.astimezone(UTC):%d %B %Y %H:%M} UTC"
        self.cell(0, 6, f"Holdfast, USDT escrow. Made {when}. Only final transactions are listed.")
        self.cell(0, 6, f"{self.page_no()}/{{nb}}", align="R")


def render(title: str, facts: Sequence[tuple[str, str]], lines: Sequence[Line], printed: datetime) -> bytes:
    """The bytes of the file; every text may hold any character of the font, others become a box."""
    page = _Page(printed)
    page.add_page()
    page.set_font("Inter", "B", 20)
    page.cell(0, 12, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(3)
    for label, value in facts:
        _fact(page, label, value)
    page.ln(5)
    page.set_font("Inter", "B", 12)
    page.cell(0, 8, "Transactions", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    if not lines:
        page.set_font("Inter", size=10)
        page.cell(0, 7, "None yet.", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    for line in lines:
        _line(page, line)
    return bytes(page.output())


def _fact(page: FPDF, label: str, value: str) -> None:
    page.set_font("Inter", size=9)
    page.set_text_color(*_GREY)
    page.cell(_LABEL_WIDTH, 6.5, label)
    page.set_text_color(0)
    page.multi_cell(0, 6.5, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=WrapMode.CHAR)


def _line(page: FPDF, line: Line) -> None:
    """Two rows that stay together: when, what, how much; then the address and the transaction."""
    when, what, amount, address, tx_hash = line
    if page.will_page_break(20):
        page.add_page()
    page.set_draw_color(223, 228, 225)
    page.line(page.l_margin, page.get_y(), page.w - page.r_margin, page.get_y())
    page.ln(2)
    page.set_font("Inter", "B", 10)
    page.cell(110, 6, f"{when} UTC   {what}")
    page.cell(0, 6, amount, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.set_font("Inter", size=8)
    page.set_text_color(*_GREY)
    page.cell(0, 5, address, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.cell(0, 5, f"transaction {tx_hash}", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.set_text_color(0)
    page.ln(2)
