"""Columns, codecs over them, and elements that they nearly or really take, for the laws of the codecs.

Elements are JSON texts, not Python objects: 1.50 and integers of 5,000 digits have to reach the database as they are.
"""

import json

from hypothesis import strategies as st

from cutover.codecs import Codec, Kind, Object, Scalar, Text, Time, Tuple

KINDS: dict[str, Kind] = {
    "created_at": Kind("at%", "time", "timestamp with time zone", aware=True),
    "local": Kind("local", "time", "timestamp without time zone", nullable=True),
    "level": Kind("lvl", "text", "varchar(10)", max_length=10),
    "message": Kind("value", "text", "text"),
    "note": Kind("note", "text", "varchar(3)", nullable=True, max_length=3),
    "small": Kind("small", "integer", "smallint", bits=16),
    "big": Kind("big", "integer", "bigint", nullable=True, bits=64),
    "ratio": Kind("ratio", "float", "double precision", nullable=True),
    "price": Kind("price", "decimal", "numeric(6, 2)", nullable=True, digits=6, places=2),
    "amount": Kind("amount", "decimal", "numeric(38, 0)", digits=38, places=0),
    "done": Kind("done", "boolean", "boolean", nullable=True),
    "key": Kind("key", "uuid", "uuid", nullable=True),
    "data": Kind("data", "json", "jsonb", nullable=True),
    "extra": Kind("extra", "json", "jsonb"),
}
LOG = "[{created_at:%Y-%m-%d %H:%M:%S}] {level} {message}"
CODECS: dict[str, Codec] = {
    "log": Text(LOG, tz="UTC"),
    "summer": Text("{created_at:%Y%m%d%H%M} {message}", tz="Europe/Berlin"),
    "half an hour": Text("{created_at:%d.%m.%Y %H:%M:%S.%f}", tz="Australia/Lord_Howe"),
    "naive": Text('{{{local:"%%\\%f%SYYYY%M%HTh%d%m%Y}}}{level}', tz="Europe/Berlin"),
    "line": Text("{message}"),
    "numbers": Text("{small}, {big}={key}%{message}!"),
    "many": Text("{level}  {message} {note}aab{small}%{big} {key}"),
    **{f"scalar {name}": Scalar(name) for name in KINDS if name not in ("created_at", "local")},
    "scalar time": Scalar(Time("local", "%Y-%m-%d")),
    "scalar zone": Scalar(Time("created_at", "%Y-%m-%dT%H:%M", tz="America/New_York")),
    "closed object": Object({"a": "small", "b%": "note", "": "data"}),
    "open object": Object({"m": "message", "n": "note", "d": "data", "t": Time("local"), "r": "ratio"}, rest="extra"),
    "tuple": Tuple(Time("created_at", "%Y-%m-%d", tz="UTC"), "note", "data", "price", "ratio"),
    "pair": Tuple("small", "done"),
}
BOUND = {name: codec.bind(KINDS) for name, codec in CODECS.items()}

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(characters, max_size=14)
special = [
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.0",
    "-0.0",
    "1.50",
    "100",
    "1e2",
    "1E-7",
    "0.1",
    "0.30000000000000004",
    "0.1234567890123456789",
    "5e-324",
    "1e-400",
    "1e400",
    "1e-300",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "1e23",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9999.99",
    "10000",
    "9999.995",
    "1700000000.1234567",
]
numbers = (
    st.sampled_from([*special, "7" * 5000, "0." + "3" * 5000])
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers().map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?", fullmatch=True, alphabet=st.characters(max_codepoint=99))
)
pieces = st.sampled_from(
    [
        "[2024-02-29 23:59:59] ",
        "INFO ",
        "aab",
        "  ",
        "%",
        "!",
        ", ",
        "=",
        "}",
        "-1",
        "0",
        "12",
        "007",
        "1",
        " ",
        "é",
        "\n",
        "01234567-89ab-cdef-0123-456789abcdef",
        "2024-02-30",
        "2024-12-31",
        "202403310230 ",
        "0001-01-01",
        "9999-12-31",
    ]
)
years = st.integers(0, 9999) | st.sampled_from([0, 1, 1900, 2000, 2023, 2024, 9999])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """Text that some template nearly or really takes."""
    year, month, day = draw(years), draw(st.integers(0, 13)), draw(st.integers(0, 32) | st.integers(27, 31))
    hour, minute, second = draw(st.integers(0, 24)), draw(st.integers(0, 60)), draw(st.integers(0, 60))
    date, clock = f"{year:04}-{month:02}-{day:02}", f"{hour:02}:{minute:02}:{second:02}"
    rest = draw(texts) + draw(st.sampled_from(["", " "])) + draw(texts)
    shapes = [
        f"[{date} {clock}] {rest}",
        f"{year:04}{month:02}{day:02}{hour:02}{minute:02} {rest}",
        f"{day:02}.{month:02}.{year:04} {clock}.{draw(st.integers(0, 999999)):06}",
        f'{{"%\\000001{second:02}YYYY{minute:02}{hour:02}Th{day:02}{month:02}{year:04}}}{rest}',
        date,
        f"{date} {clock}",
        f"{date}T{clock[:5]}",
        f"{draw(st.integers(-40000, 40000))}, {draw(st.integers())}={draw(st.uuids())}%{rest}!",
        f"{draw(texts)}  {draw(texts)} xyzaab{draw(st.integers(0, 9))}%{draw(st.integers(0, 9))} {draw(st.uuids())}",
    ]
    return draw(st.sampled_from(shapes))


strings = (texts | lines() | st.lists(pieces, max_size=6).map("".join) | st.uuids().map(str)).map(json.dumps)
leaves = st.sampled_from(["null", "true", "false", "{}", "[]"]) | numbers | strings
keys = st.sampled_from(["a", "b%", "", "m", "n", "d", "t", "r", "x"]).map(json.dumps)


def lists_of(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON lists and objects as text."""
    objects = st.dictionaries(keys, inner, max_size=5).map(lambda d: ",".join(f"{k}:{v}" for k, v in d.items()))
    return st.lists(inner, max_size=5).map(lambda items: f"[{','.join(items)}]") | objects.map("{{{}}}".format)


json_texts = st.recursive(leaves, lists_of, max_leaves=8)
dates = st.dates().map(lambda date: json.dumps(date.isoformat())) | strings
small_ints = st.integers(-33000, 33000).map(str)
short = st.text(characters, max_size=4).map(json.dumps) | st.just("null")
likely = (
    st.tuples(dates, short, leaves, numbers, numbers).map(lambda items: f"[{','.join(items)}]")
    | st.tuples(small_ints, leaves).map(lambda items: f"[{','.join(items)}]")
    | st.tuples(small_ints, short).map(lambda items: f'{{"a": {items[0]}, "b%": {items[1]}}}')
    | st.tuples(strings, short, leaves, numbers, keys, json_texts).map(
        lambda i: f'{{{i[4]}: {i[5]}, "m": {i[0]}, "n": {i[1]}, "d": {i[2]}, "r": {i[3]}}}'
    )
)

KNOWN: dict[str, object] = {
    "log": "[2024-02-29 23:59:59] INFO 100% done\n  Traceback",
    "summer": "202410270230 in an hour that Berlin saw twice",
    "half an hour": "31.12.1999 23:59:59.999999",
    "naive": '{"%\\00000159YYYY5900Th29022024}INFO',
    "line": "",
    "numbers": "-32768, 9223372036854775807=01234567-89ab-cdef-0123-456789abcdef%a!",
    "many": "INFO  a b aaab-1%0 01234567-89ab-cdef-0123-456789abcdef",
    "scalar time": "0001-01-01",
    "scalar zone": "2024-07-01T12:30",
    "closed object": {"a": 5, "": {"b": None, "c": [None]}},
    "open object": {"m": "", "n": None, "d": None, "t": "2024-02-29 00:00:00", "r": 0.5, "x": {"y": None}},
    "tuple": ["9999-12-31", None, None, 9999.99, 0.30000000000000004],
    "pair": [-32768, None],
    "scalar ratio": 1700000000.1234567,
    "scalar price": -9999.99,
    "scalar amount": 10**38 - 1,
    "scalar data": {"a": [1, "7" * 5000]},
}
