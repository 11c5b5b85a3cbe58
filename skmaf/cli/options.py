"""Options that several forms of the command share, and what they mean to the reader of tables."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..reading.delimited import Form

# parameters of `skmaf.read_table` that say how a file is written, and their defaults
FORM: dict[str, Any] = {
    "separator": None,
    "decimal": None,
    "encoding": None,
    "header": None,
    "skip": None,
    "footer": None,
    "sheet": 0,
}


def add_model(parser: argparse.ArgumentParser, is_optional: bool = False) -> None:
    """Add the file of a model, which may be left out where the table itself can be fitted."""
    described = "file that skmaf fit has written"
    if is_optional:
        described += "; without it, one is fitted to the table itself"
    nargs = "?" if is_optional else None
    parser.add_argument("model", type=Path, nargs=nargs, metavar="MODEL", help=described)


def add_table(parser: argparse.ArgumentParser) -> None:
    """Add the table."""
    parser.add_argument("table", type=Path, metavar="TABLE", help="file, or - for standard input")


def add_output(parser: argparse.ArgumentParser, described: str) -> None:
    """Add where the rows of a result go, and what may be overwritten."""
    add = parser.add_argument
    add("-o", "--output", type=Path, default=Path("-"), metavar="FILE", help=described)
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the permission to overwrite a file."""
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every subcommand has."""
    add = parser.add_argument
    add("--quiet", action="store_true", help="print nothing on stderr but errors")
    add("--json", action="store_true", help="print the result on stdout, as one JSON object")


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the seed."""
    parser.add_argument("--seed", type=parse_count, default=0, help="seed of all draws (0)")


def add_contamination(parser: argparse.ArgumentParser) -> None:
    """Add the share of the rows that are outliers."""
    parser.add_argument(
        "--contamination",
        type=float,
        metavar="SHARE",
        help="share of the rows to call outliers; without it, those that 5%% of normal rows would "
        "not reach",
    )


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what overrules the reader: parameters of `skmaf.read_table`."""
    add = parser.add_argument_group("reading").add_argument
    add("--drop", nargs="+", default=[], metavar="COLUMN", help="columns to leave out")
    add("--only", nargs="+", metavar="COLUMN", help="the columns to use")
    add(
        "--kind",
        action="append",
        default=[],
        type=parse_kind,
        metavar="COLUMN=KIND",
        help="what a column is: continuous, grid, categorical, heavy-tailed, or bounds such as 0:1",
    )
    _add_form_options(add)


def add_form_options(parser: argparse.ArgumentParser) -> None:
    """Add what overrules the reader where a model says which columns there are."""
    _add_form_options(parser.add_argument_group("reading").add_argument)


def _add_form_options(add: Any) -> None:
    add(
        "--missing",
        action="append",
        default=[],
        type=parse_missing,
        metavar="[COLUMN=]TEXT",
        help="what else stands for a missing cell, such as 9999",
    )
    add("--separator", metavar="SIGN", help="what divides cells; ' ' is any number of blanks")
    add("--decimal", choices=[".", ","], help="what marks decimals")
    add("--encoding", metavar="NAME", help="of the text, such as latin-1")
    add("--header", type=int, metavar="N", help="how many lines hold the names of the columns")
    add("--skip", type=int, metavar="N", help="how many lines above them are no part of the table")
    add("--footer", type=int, metavar="N", help="how many lines at the end are none")
    add("--sheet", default=0, metavar="NAME", help="sheet of a spreadsheet (the first)")


def refuse_with_model(args: argparse.Namespace, *names: str) -> None:
    """Refuse options of a fit where a model is given that was fitted before."""
    for name in ("drop", "only", "kind", *names):
        if args.model is not None and getattr(args, name) not in (None, []):
            raise ValueError(f"--{name} is of a fit, and {args.model} is fitted already.")


def parse_count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def parse_kind(text: str) -> tuple[str, str | tuple[float | None, float | None]]:
    """The name of a column and its kind, or the bounds of its numbers."""
    name, sign, kind = text.rpartition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=KIND")
    low, colon, high = kind.partition(":")
    if not colon:
        return name, kind
    try:
        return name, (float(low) if low else None, float(high) if high else None)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{kind!r} is not LOW:HIGH") from error


def parse_missing(text: str) -> tuple[str | None, str]:
    """The name of a column, None for all, and what stands for a missing cell there."""
    name, sign, cell = text.rpartition("=")
    return (name, cell) if sign else (None, text)


def reading_options(args: argparse.Namespace, also: str | None = None) -> dict[str, Any]:
    """The parameters of `skmaf.read_table`; a column may be wanted beside those of --only."""
    options = {name: getattr(args, name) for name in FORM}
    options["drop"] = args.drop
    options["only"] = [*args.only, also] if args.only and also else args.only
    options["missing"] = missing_cells(args.missing)
    options["column_kinds"] = dict(args.kind)
    return options


def kinds_of(args: argparse.Namespace, names: Collection[str]) -> dict[str, Any]:
    """The kinds that were declared of the columns that a table has."""
    return {name: kind for name, kind in args.kind if name in names}


def missing_cells(declared: list[tuple[str | None, str]]) -> list[str] | dict[str, list[str]]:
    """What stands for missing cells, in all columns or in those named."""
    everywhere = [text for name, text in declared if name is None]
    by_column: dict[str, list[str]] = {}
    for name, text in declared:
        if name is not None:
            by_column.setdefault(name, []).append(text)
    if everywhere and by_column:
        raise ValueError("--missing takes either TEXT or COLUMN=TEXT, not both.")
    return by_column or everywhere


def form_of(args: argparse.Namespace) -> "Form":
    """The form of the text, as far as it was given."""
    from ..reading.delimited import Form

    return Form(args.separator, args.decimal, args.header, args.skip, args.footer)


def reading_words(args: argparse.Namespace, *dropped: str) -> list[str]:
    """The options for reading as they were given, to be given again, with more columns dropped."""
    words: list[str] = []
    for name, default in FORM.items():
        if getattr(args, name) != default:
            words.append(f"--{name}={getattr(args, name)}")
    for name, text in args.missing:
        words.append(f"--missing={text if name is None else f'{name}={text}'}")
    for name, kind in args.kind:
        words.append(f"--kind={name}={kind if isinstance(kind, str) else _bounds_text(kind)}")
    for option, names in (("drop", [*args.drop, *dropped]), ("only", args.only)):
        words += [f"--{option}", *names] if names else []
    return words


def _bounds_text(bounds: tuple[float | None, float | None]) -> str:
    return ":".join("" if end is None else f"{end:g}" for end in bounds)
