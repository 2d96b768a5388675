"""Text to tokens: numbers, names and operators in plain ASCII, bounded in length, nesting and digits."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hamsym.errors import FormulaError

#: Bounds of what is read at all, before anything is computed.
MAX_LENGTH = 20_000
MAX_DEPTH = 100
MAX_DECIMAL_EXPONENT = 400
MAX_DIGITS = 400

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<order>(?<=\w)(?:'+|'\[\d{1,3}(?: *, *\d{1,3})*\])(?=\())"
    r"|(?P<op>\*\*|[-+*/(),\[\]])",
    re.ASCII,
)
_REMEDIES = {
    "^": "powers are written **",
    "//": "integer division is not smooth; write /",
    "%": "the remainder is not smooth and not supported",
    ".": "attributes are not part of a formula",
    "=": "a formula is one expression, without assignment or comparison",
    "<": "comparisons are not part of a formula",
    ">": "comparisons are not part of a formula",
    "!": "write a product or a call instead",
    "'": "a prime differentiates an undefined function before its arguments, as in V'(x)",
    '"': "text is not part of a formula",
    "{": "braces are not part of a formula; group with ( )",
    ";": "a formula is one expression",
    ":": "a formula is one expression",
    "#": "comments are not part of a formula",
}


@dataclass(frozen=True)
class Token:
    """A number, a name, the order of a derivative, an operator, or the end of a formula.

    Attributes:
        kind: ``number``, ``name``, ``order``, ``op`` or ``end``.
        text: as it was written.
        position: of its first character.
    """

    kind: str
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a formula, the end last.

    Raises:
        FormulaError: for characters and numbers that do not belong there, and for text that is too long or too deep.

    Example:
        >>> [token.text for token in tokenize("2*sin(x)")]
        ['2', '*', 'sin', '(', 'x', ')', '']
    """
    if len(text) > MAX_LENGTH:
        message = f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read"
        raise FormulaError(message, text, MAX_LENGTH)
    if not text.strip():
        raise FormulaError("the formula is empty", text, 0)
    tokens, position, depth = [], 0, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _foreign(text, position)
        kind, found = str(match.lastgroup), match.group()
        if found == "/" and text.startswith("//", position):
            raise FormulaError(f"'//' is not part of a formula: {_REMEDIES['//']}", text, position)
        if kind == "number":
            _check_literal(found, text, position)
        depth += (found in "([") - (found in ")]")
        if depth > MAX_DEPTH:
            raise FormulaError(f"parentheses are nested more than {MAX_DEPTH} deep", text, position)
        if kind != "space":
            tokens.append(Token(kind, found, position))
        position = match.end()
    return [*tokens, Token("end", "", len(text))]


def _foreign(text: str, position: int) -> FormulaError:
    character = text[position]
    if not character.isascii() or not character.isprintable():
        message = f"the character {character!r} is not plain ASCII; retype it"
    else:
        remedy = _REMEDIES.get(character, "only + - * / ** ( ) , numbers and names are read")
        message = f"{character!r} is not part of a formula: {remedy}"
    return FormulaError(message, text, position)


def _check_literal(literal: str, text: str, position: int) -> None:
    mantissa, _, exponent = literal.lower().partition("e")
    if sum(c.isdigit() for c in mantissa) > MAX_DIGITS:
        raise FormulaError(f"a number has more than {MAX_DIGITS} digits", text, position)
    if len(exponent) > 6 or abs(int(exponent or "0")) > MAX_DECIMAL_EXPONENT:
        raise FormulaError(f"a decimal exponent is larger than {MAX_DECIMAL_EXPONENT}", text, position)
