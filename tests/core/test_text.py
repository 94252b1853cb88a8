"""Names and titles cannot hide, reverse or bury what stands around them; real writing is never refused."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.text import check_long, check_short, isolated, long_fault, require_short, short_fault


@pytest.mark.parametrize(
    "text",
    [
        "", "Ada Lovelace", "Zoë d’Arcy-Ångström", "Nguyễn Thị Ánh", "Ngu\u0079\u0065\u0302\u0303n",
        "李小龍", "山田太郎", "김철수", "محمد علي", "می\u200cخواهم", "דָּוִד", "\u200fשלום\u200f", "สมชาย ใจดี",
        "ตั้งใจ", "नरेन्द्र", "Владимир", "Ελένη", "🙂 Shop №1", "👩\u200d💻 Dev", "❤\ufe0f", "C++ & <b>",
        "1,250.50 USDT", "O'Neill (Ltd.)", "ß", "İstanbul",
    ],
)  # fmt: skip
def test_real_names_of_any_script_are_taken(text: str) -> None:
    assert (short_fault(text), long_fault(f"{text}\n\t{text}")) == ("", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u200b", "cannot be seen"),
        ("Ada\u200bLovelace", "cannot be seen"),
        ("\ufeffAda", "cannot be seen"),
        ("Ad\u00ada", "cannot be seen"),
        ("Ada\U000e0041", "cannot be seen"),
        ("\ue000", "cannot be seen"),
        ("\u3164", "Nothing of this"),
        ("\u2800 \u115f", "Nothing of this"),
        ("\u200d\u200c", "Nothing of this"),
        ("\u0301\u0301", "Nothing of this"),
        ("Ada \u202egnp.exe", "direction"),
        ("\u2066Ada\u2069", "direction"),
        ("A\u0301\u0301\u0301\u0301\u0301\u0301da", "accents"),
        ("Ada\nLovelace", "line break"),
        ("Ada\u2028Lovelace", "line break"),
        ("A\tda", "control character"),
        ("Ada\x00", "control character"),
        ("Ada\x1b[31m", "control character"),
    ],
)
def test_what_hides_reverses_or_buries_is_refused_in_a_sentence(text: str, words: str) -> None:
    assert words in short_fault(text)
    with pytest.raises(ValidationError):
        check_short(text)
    with pytest.raises(Invalid) as refused:
        require_short(text, pointer="/title")
    assert (refused.value.code, refused.value.errors[0].pointer) == ("characters", "/title")


def test_long_texts_have_lines_and_nothing_else_that_is_not_seen() -> None:
    check_long("One line\r\n\tand another\n\n- a list")
    for text in ("a\x00b", "a\u202eb", "a\u200bb"):
        with pytest.raises(ValidationError):
            check_long(text)


def test_a_name_inside_a_sentence_cannot_reorder_it() -> None:
    assert isolated("Ada") == "Ada"
    assert isolated("Ada\u202e\u2067x") == "Adax"
    assert isolated("דוד") == "\u2068דוד\u2069"
    assert isolated("דוד\u2069") == "\u2068דוד\u2069"


@settings(max_examples=60)
@given(st.text())
def test_anything_at_all_has_an_answer_and_what_is_taken_reorders_nothing(text: str) -> None:
    taken = short_fault(text) == ""
    assert not (taken and set(text) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\x00\n"))
    assert set(isolated(text)) <= set(text) | {"\u2068", "\u2069"}
