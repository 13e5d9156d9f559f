"""The grammar of one command: `PRE:X, set_resource(INTERVAL{3})`, `wait(0.5)`.

    command  = [ device "," ] method "(" name [ "{" [ value { "," value } ] "}" ] ")"
             | [ device "," ] "wait" "(" minutes ")"
    value    = [ key ": " ] ( number | true | false | null | quoted text | text )

A superset of the original's: that one splits at every comma, so it knows one value only, and keeps it as text.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import JsonValue

from missions.mission_files.issues import one_of, shortened
from missions.mission_files.plan import Method

LONGEST_WAIT = 5_256_000.0
"""Minutes: ten years."""

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_.\-]*)\s*:(?=[\s,}]|$)")
_JOINED_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*:(?!//)\S")
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None, "~": None}


@dataclass(frozen=True)
class CommandProblem:
    """What is wrong with a command. `offset`: where, in characters from its beginning."""

    offset: int
    text: str
    message: str
    remedy: str
    warning: bool = False


@dataclass
class Call:
    """A command as it is written; a pause has `wait_minutes`. Of use only if no problem is an error."""

    device: str = ""
    device_offset: int = 0
    method: Method | None = None
    name: str = ""
    values: list[JsonValue] = field(default_factory=list)
    named: dict[str, JsonValue] = field(default_factory=dict)
    wait_minutes: float | None = None
    is_wait: bool = False
    problems: list[CommandProblem] = field(default_factory=list)


class _Wrong(Exception):
    """The rest of the command cannot be read."""


def parse_command(text: str) -> Call:
    """Read a command; what is wrong with it is in its `problems`."""
    parser = _Parser(text)
    with suppress(_Wrong):  # it has been noted
        parser.command()
    return parser.call


class _Parser:
    def __init__(self, text: str) -> None:
        self.call = Call()
        self._text = text
        self._at = 0

    # --- the grammar

    def command(self) -> None:
        self._device()
        start, method = self._until("(){}")
        if not method and not self._rest():
            raise self._wrong(start, "", "there is no command", "write `method(NAME)` or `wait(minutes)`")
        if self._next() != "(":
            message = "there is no `(`" if self._next() in ("", ")") else f"`{self._next()}` stands before the `(`"
            raise self._wrong(start, method, message, "write `method(NAME)` or `wait(minutes)`")
        self._at += 1
        if method.lower() == "wait":
            self._minutes()
        else:
            self._method(start, method)
            self._named_command()
        self._end()

    def _device(self) -> None:
        comma, bracket = self._text.find(","), self._text.find("(")
        # A comma behind the bracket is between two values: the command names no device.
        if comma < 0 or 0 <= bracket < comma:
            return
        before = self._text[:comma]
        self.call.device = before.strip()
        self.call.device_offset = len(before) - len(before.lstrip())
        if not self.call.device:
            self._problem(comma, ",", "there is no device before the comma", "write it, or remove the comma")
        self._at = comma + 1

    def _method(self, start: int, method: str) -> None:
        if method in set(Method):
            self.call.method = Method(method)
        elif not method:
            self._problem(start, "(", "there is no method before the `(`", "write `method(NAME)`")
        elif "," in method:
            remedy = "name one device, and write one command for each"
            self._problem(start, method, "there are two commas before the `(`", remedy)
        elif method.split()[-1] in {*Method, "wait"}:
            self._no_comma(start, method)
        else:
            remedy = one_of(method, [*Method, "wait"])
            self._problem(start, method, f"`{shortened(method)}` is no method", remedy)

    def _no_comma(self, start: int, before: str) -> None:
        """`PRE:X set_resource(`: whose the command is can be read all the same."""
        device, method = before.rsplit(maxsplit=1)
        shown = shortened(device.rstrip(" :;"))
        self.call.device, self.call.device_offset = device.rstrip(" :;"), start
        remedy = f"write `{shown}, {method}(…)`" if method in set(Method) else "write `wait(…)` alone: it is nobody's"
        self._problem(start, before, f"the comma after `{shown}` is missing", remedy)

    def _minutes(self) -> None:
        self.call.is_wait = True
        start, minutes = self._until("()")
        if self._next() != ")":
            self._name_ends(self._next())
        self._at += 1
        if not _NUMBER.fullmatch(minutes):
            shown = f"`{shortened(minutes)}` is no number of minutes" if minutes else "there are no minutes"
            self._problem(start, minutes, shown, "write a number, such as `wait(0.5)`")
        elif float(minutes) < 0:
            self._problem(start, minutes, "a wait cannot be negative", "write 0 or more minutes")
        elif float(minutes) > LONGEST_WAIT:
            self._problem(start, minutes, "a wait cannot be longer than ten years", "write fewer minutes")
        else:
            self.call.wait_minutes = float(minutes)

    def _named_command(self) -> None:
        start, self.call.name = self._until("(){},")
        if not self.call.name:
            self._problem(start, "", "there is no command between the brackets", "write its name")
        if self._next() == "{":
            self._at += 1
            self._values()
            after, more = self._until("(){}")
            if more:
                raise self._wrong(after, more, "there is text after the `}`", "remove it")
        if self._next() != ")":
            self._name_ends(self._next())
        self._at += 1

    def _name_ends(self, sign: str) -> None:
        if not sign:
            raise self._wrong(len(self._text.rstrip()), "", "the `)` is missing", "write it")
        if sign == "(":
            raise self._wrong(self._at, sign, "calls cannot be nested", "write one command, `method(NAME)`")
        if sign == "{":
            raise self._wrong(self._at, sign, "there are two pairs of braces", "write all values into one pair")
        if sign == ",":
            raise self._wrong(self._at, sign, "values stand in braces", "write `method(NAME{1, 2})`")
        raise self._wrong(self._at, sign, "the `}` has no `{`", "write `method(NAME{value})`")

    def _values(self) -> None:
        self._skip_blanks()
        if self._next() == "}":
            self._at += 1
            return
        while True:
            self._value()
            self._skip_blanks()
            sign = self._next()
            if sign not in (",", "}"):
                raise self._value_goes_on(sign)
            self._at += 1
            if sign == "}":
                return

    def _value_goes_on(self, sign: str) -> _Wrong:
        if sign in ("", ")"):
            where = self._at if sign else len(self._text.rstrip())
            return self._wrong(where, sign, "the `}` is missing", "write it after the last value")
        if sign in ("(", "{"):
            return self._wrong(self._at, sign, f"`{sign}` cannot stand in a value", "put the value in quotes")
        return self._wrong(self._at, self._rest(), "there is text after a quoted value", "separate values by commas")

    def _value(self) -> None:
        self._skip_blanks()
        start, key = self._at, ""
        if named := _KEY.match(self._text, self._at):
            key = named[1]
            self._at = named.end()
            self._skip_blanks()
        value = self._quoted() if self._next() in ("'", '"') else self._bare()
        if not key:
            self.call.values.append(value)
        elif key in self.call.named:
            self._problem(start, key, f"`{shortened(key)}` is there twice", "remove one of them")
        else:
            self.call.named[key] = value

    def _quoted(self) -> str:
        start, quote = self._at, self._next()
        self._at += 1
        letters: list[str] = []
        while (letter := self._next()) != quote:
            if letter == "\\":
                self._at += 1
                letter = self._next()
            if not letter:
                raise self._wrong(start, self._text[start:], "the quote does not end", f"write another {quote}")
            letters.append(letter)
            self._at += 1
        self._at += 1
        return "".join(letters)

    def _bare(self) -> JsonValue:
        start, word = self._until("(){},")
        if not word and self._next() in (",", "}"):
            self._problem(start, self._next(), "a value is missing", "write it, or remove the comma")
        if word.lower() in _WORDS and word in (word.lower(), word.title(), word.upper()):
            return _WORDS[word.lower()]
        if _INTEGER.fullmatch(word):
            return int(word)
        if _NUMBER.fullmatch(word):
            if abs(number := float(word)) < 1e300:
                return number
            self._problem(start, word, f"`{shortened(word)}` is too large", "put it in quotes if it is a text")
        if joined := _JOINED_KEY.match(word):
            remedy = "write a space after the colon for a value with a name, or put it in quotes"
            message = f"`{shortened(word)}` is taken as one text"
            self._problem(start, joined.string, message, remedy, warning=True)
        return word

    def _end(self) -> None:
        self._skip_blanks()
        if self._rest():
            self._problem(self._at, self._rest(), "there is text after the `)`", "remove it; one command is one item")

    # --- reading

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _rest(self) -> str:
        return self._text[self._at :]

    def _skip_blanks(self) -> None:
        while self._next().isspace():
            self._at += 1

    def _until(self, signs: str) -> tuple[int, str]:
        """What stands before the next of the signs: where, and trimmed."""
        self._skip_blanks()
        start = self._at
        while self._next() and self._next() not in signs:
            self._at += 1
        return start, self._text[start : self._at].rstrip()

    def _problem(self, offset: int, text: str, message: str, remedy: str, *, warning: bool = False) -> None:
        self.call.problems.append(CommandProblem(offset, text, message, remedy, warning))

    def _wrong(self, offset: int, text: str, message: str, remedy: str) -> _Wrong:
        self._problem(offset, text, message, remedy)
        return _Wrong()
