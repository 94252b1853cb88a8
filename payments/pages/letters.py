"""Letters of a PDF: which font writes which, and what stands in place of a letter that no font has.

Nothing is dropped in silence: such a letter is written as its code, like `[U+1F600]`. Every font is cut down
to the letters of one document before it is read, so that its size costs nothing.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import uharfbuzz as hb
from fpdf import FPDF
from fpdf.fonts import TTFFont

FAMILY = "Text"
_FONTS = Path(__file__).resolve().parent / "fonts"
_REGULAR, _BOLD = "Inter-Regular.ttf", "Inter-SemiBold.ttf"
# Chinese, Japanese and Korean. Asked last: its Latin letters are not ours.
_LAST = "DroidSansFallback.ttf"
_CODE = frozenset(map(ord, "[U+]0123456789ABCDEF"))
# They join and part letters or say which way a text runs: each belongs to the font of its neighbours.
_JOINERS = frozenset((0x200C, 0x200D, 0x200E, 0x200F, 0x061C))
# They turn the order of letters around: on a receipt a name would read as another.
_TURNING = frozenset((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
# They choose between two looks of the letter before them.
_LOOKS = frozenset(range(0xFE00, 0xFE10))


@cache
def _names() -> list[str]:
    """The fonts in the order in which they are asked; the bold one writes what the regular one does."""
    others = sorted(path.name for path in _FONTS.glob("Noto*.ttf"))
    return [_REGULAR, *others, _LAST]


@cache
def _face(name: str) -> hb.Face:
    return hb.Face(hb.Blob.from_file_path(str(_FONTS / name)))


@lru_cache(maxsize=20_000)
def _font_of(code: int) -> str | None:
    return next((name for name in _names() if code in _face(name).unicodes), None)


def is_shaped(text: str) -> bool:
    """Whether its letters join, move or run from the right; all else is laid out faster without shaping."""
    return any(
        code in _JOINERS or unicodedata.combining(letter) or _font_of(code) not in (_REGULAR, _LAST)
        for letter, code in ((letter, ord(letter)) for letter in set(text))
    )


class Letters:
    """The fonts of one document, which is written in `texts` and nothing else."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.missing: set[int] = set()
        self._codes: dict[str, set[int]] = {_REGULAR: {*_CODE, *map(ord, " …")}}
        self._written: dict[str, str] = {}
        for text in texts:
            plain = unicodedata.normalize("NFC", text)
            forms = {letter: self._letter(letter) for letter in set(plain)}
            self._written[text] = "".join(map(forms.__getitem__, plain))

    def __getitem__(self, text: str) -> str:
        """One of the texts as it is written: every letter of it has a font, or stands as its code."""
        return self._written[text]

    def _letter(self, letter: str) -> str:
        code = ord(letter)
        if letter == "\n" or code in _JOINERS:
            return letter
        if code in _LOOKS:
            return ""
        if letter == "\t" or unicodedata.category(letter) == "Zs":
            return " "
        parts = [letter, *_parts(letter)]
        for form in parts if code not in _TURNING else ():
            fonts = [_font_of(ord(part)) for part in form]
            if None not in fonts:
                for part, font in zip(form, fonts, strict=True):
                    self._codes.setdefault(str(font), set()).add(ord(part))
                return form
        self.missing.add(code)
        return f"[U+{code:04X}]"

    def load(self, page: "Page", folder: Path) -> None:
        """Put the fonts into a document; the files in `folder` have to last until it is written."""
        for name, codes in self._codes.items():
            if name == _REGULAR:
                page.add_font(FAMILY, "", _cut(name, codes, folder))
                page.add_font(FAMILY, "B", _cut(_BOLD, codes, folder))
            else:
                # The space is what an invisible joiner becomes; a run without any glyph would stop fpdf.
                page.add_font(name, "", _cut(name, {*codes, *_JOINERS, ord(" ")}, folder))
        page.set_fallback_fonts([name for name in self._codes if name != _REGULAR], exact_match=False)


def _parts(letter: str) -> list[str]:
    apart = unicodedata.normalize("NFD", letter)
    return [apart] if apart != letter else []


def _cut(name: str, codes: Iterable[int], folder: Path) -> Path:
    """The font with the letters of these codes, and every shape that shaping makes of them."""
    wanted = hb.SubsetInput()
    wanted.unicode_set.update(codes)
    wanted.flags = hb.SubsetFlags.NOTDEF_OUTLINE | hb.SubsetFlags.GLYPH_NAMES
    path = folder / name
    path.write_bytes(hb.subset(_face(name), wanted).blob.data)
    return path


class Page(FPDF):
    """A document that writes a letter in the font of its neighbours where that font has it."""

    _last = ""

    def get_fallback_font(self, char: str, style: str = "") -> str | None:
        """What joins letters stays in their font, or it would part them."""
        before = self.fonts.get(self._last)
        if isinstance(before, TTFFont) and ord(char) in before.cmap:
            return self._last
        found: str | None = super().get_fallback_font(char, style)
        self._last = found or self._last
        return found
