"""The encoding of a text that is neither UTF-8 nor UTF-16: the letters that it makes tell it.

Each old encoding is judged by the languages that it was made for: how many of the characters beyond
ASCII are letters of one of them, in places where such letters stand. Encodings of two bytes for a
letter are left to a detector.
"""

import re
from itertools import islice

NOT_ASCII = re.compile(r"[^\x00-\x7f]")
FITS = "sign"
SAMPLE = 100_000  # bytes
# share of letters that are not ASCII, from which on a text is hardly in a Latin script
FOREIGN_LETTERS = 0.3
CHARACTERS = 5_000  # beyond ASCII that are looked at
# share of the characters that must fit, below which the text is in no encoding listed here
MIN_FIT = 0.75
LAST_LATIN = "\u024f"
PRIOR = 0.04  # added to the share of the most frequent encoding
FOREIGN_PRIOR = 0.2  # taken from that of Latin scripts where letters beyond ASCII are many
SIGNS = frozenset(
    "\xa0\u2019\u2018\u201c\u201d\u2013\u2014\u2022\u2026\u20ac£§©®™°±²³´µ·¹º½¼¾«»×¿¡"
)
WITHIN = frozenset("\u2019\u2018\u2013\u2014\u2026·\xa0®")  # signs that stand between letters
WESTERN = (
    "äöüß",
    "éèêëàâçîïôùûüœæ",
    "áéíóúñü",
    "ãõáéíóúâêôàçü",
    "àèéìòù",
    "åæøäöé",
    "áðéíóúýþæö",
    "éëïóöü",
)
CENTRAL = (
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž",
    "áäčďéíĺľňóôŕšťúýž",
    "áéíóöőúüű",
    "čćđšž",
    "ăâîşţ",
)
BALTIC = ("āčēģīķļņšūž", "ąčęėįšųūž", "äöüõšž")
TURKISH = ("çğıöşüâîi",)  # i of the capital with a dot
# the frequent letters: an encoding taken for another makes rare ones
RUSSIAN = ("оеаинтсрвлкмдпуяы", "оаинвтеріслкумдпяї", "аоиетнрсвлпкмдъя")
GREEK = ("αοιετσνηυρπκλςμάίέόήώύ",)
# in their order: the first of those that fit as well is taken
LANGUAGES = {
    "cp1252": WESTERN,
    "cp1250": CENTRAL,
    "iso8859-2": CENTRAL,
    "cp1254": TURKISH,
    "cp1257": BALTIC,
    "cp1251": RUSSIAN,
    "koi8-r": RUSSIAN,
    "cp866": RUSSIAN,
    "cp1253": GREEK,
    "mac_roman": WESTERN,
    "cp850": WESTERN,
    "cp852": CENTRAL,
}
OTHER_SCRIPTS = ("cp1251", "koi8-r", "cp866", "cp1253")


def is_foreign(data: bytes) -> bool:
    """Return whether a text has more letters beyond ASCII than most in Latin letters."""
    sample = data[:SAMPLE]
    n_foreign = sum(byte >= 128 for byte in sample)
    n_ascii = sum(chr(byte).isalpha() for byte in sample if byte < 128)
    return n_foreign > FOREIGN_LETTERS * (n_foreign + n_ascii)


def guess_encoding(data: bytes) -> str | None:
    """Return the encoding of one byte for a letter that fits a text best, None if none fits."""
    fits = {encoding: _fit(data[:SAMPLE], encoding) for encoding in LANGUAGES}
    fits["cp1252"] += PRIOR
    if is_foreign(data):
        fits = {e: fit - (e not in OTHER_SCRIPTS) * FOREIGN_PRIOR for e, fit in fits.items()}
    best = max(fits, key=lambda encoding: fits[encoding])
    try:
        data.decode(best)
    except UnicodeDecodeError:
        return None
    return best if fits[best] >= MIN_FIT else None


def _fit(data: bytes, encoding: str) -> float:
    """Return the share of the characters beyond ASCII that fit, from 0 to 1.

    That is the mean of how many fit one language, and how many fit some language.
    """
    text = data.decode(encoding, errors="replace")
    places = [match.start() for match in islice(NOT_ASCII.finditer(text), CHARACTERS)]
    letters = [_letter(text, place) for place in places]
    shares = [_share(letters, set(language)) for language in LANGUAGES[encoding]]
    return (max(shares) + _share(letters, set("".join(LANGUAGES[encoding])))) / 2


def _share(letters: list[str], alphabet: set[str]) -> float:
    return sum(letter in alphabet or letter == FITS for letter in letters) / max(1, len(letters))


def _letter(text: str, place: int) -> str:
    """Return a letter in lower case, `FITS` for a sign at its place, and nothing for all else."""
    character = text[place]
    before = text[place - 1 : place]
    after = text[place + 1 : place + 2]
    if character in SIGNS:
        is_within = before.isalpha() and after.isalpha()
        return "" if is_within and character not in WITHIN else FITS
    is_capital_within = character.isupper() and before.islower()
    is_mixed = character > LAST_LATIN and re.search("[a-zA-Z]", before + after)
    is_odd = before.isdigit() or after.isdigit() or is_capital_within or is_mixed
    return "" if is_odd else character.lower()[:1]
