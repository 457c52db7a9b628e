"""Foreign text made harmless to show: nothing in it may move the cursor, turn the line around or hide."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.language import tr_n

# C0 without tab and newline, DEL and C1; soft hyphen; marks and overrides of direction; zero-width and invisible
# characters; separators that some readers take for newlines; lone surrogates; noncharacters; tags.
ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\uffff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def inert(text: str) -> str:
    r"""The text with every active or invisible character spelled out as `\x1b` or `\u202e`; newline and tab stay.

    A Windows line end becomes a plain one. Takes time in proportion to the length, and changes nothing when done twice.
    """
    if text.isascii() and text.isprintable():  # nearly every text: told in a tenth of the time
        return text
    return ACTIVE.sub(_spelled, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Inert text without newlines and tabs: runs of white space become one space."""
    return " ".join(inert(text).split())


def first_of(names: Sequence[str], most: int) -> str:
    """The names one after another, and dots for those beyond `most`."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def clip(text: str, limit: int) -> str:
    """The text, or its beginning and its end with a word on what was left out between them."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    left_out = tr_n("{n} character left out", "{n} characters left out", len(text) - head - tail)
    return f"{text[:head]}\n… {left_out} …\n{text[len(text) - tail :]}"


def _spelled(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
