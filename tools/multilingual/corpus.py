"""Gathers the sentences that the center is taken from: about as many in each language.

Reads   WORK/packages/NAME (Debian packages, laid out): gnome-user-docs, the GNOME manual in some 40 languages, and the
        fortunes of ten languages, sayings and quotations
Writes  WORK/multilingual-sentences.json   texts, shuffled
"""

import html
import json
import pathlib
import random
import re
import sys

SEED = 20241126
# Languages of the manual; one that is spoken more has no more texts than another.
PER_LANGUAGE, PER_FORTUNES = 120, 250
SHORTEST, LONGEST = 12, 400
TAG = re.compile(r"<[^>]*>")
PARAGRAPH = re.compile(r"<(?:p|title)(?: [^>]*)?>(.*?)</(?:p|title)>", re.S)
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def tidy(text):
    return " ".join(html.unescape(TAG.sub("", text)).split())


def fitting(texts):
    """-> those of a usual length, each once, in order. Han and kana say in one character what takes letters three."""
    long_enough = lambda t: SHORTEST <= len(t) * (3 if any("\u3040" <= c <= "\u9fff" for c in t) else 1) <= LONGEST
    return sorted({t for t in texts if long_enough(t)})


def manual(folder):
    """-> {language: paragraphs and titles}"""
    found = {}
    for language in sorted((folder / "usr/share/help").iterdir()):
        pages = sorted(language.glob("gnome-help/*.page"))
        found[language.name] = [tidy(p) for page in pages for p in PARAGRAPH.findall(page.read_text(encoding="utf-8"))]
    return found


def fortunes(folder):
    """-> sayings, without who said them"""
    found = []
    for file in sorted(folder.rglob("games/fortunes/**/*")):
        if file.is_file() and not file.is_symlink() and file.suffix not in (".dat", ".u8"):
            text = COLOR.sub("", file.read_bytes().decode("utf-8", "ignore"))
            sayings = (saying.split("\n\t\t--")[0] for saying in re.split(r"^%\n", text, flags=re.M))
            found += [tidy(saying) for saying in sayings]
    return found


def main(work):
    work = pathlib.Path(work)
    choose = random.Random(SEED)
    chosen = []
    for folder in sorted((work / "packages").iterdir()):
        parts = manual(folder) if folder.name == "gnome-user-docs" else {folder.name: fortunes(folder)} if folder.name.startswith("fortunes") else {}
        for name, texts in sorted(parts.items()):
            texts = fitting(texts)
            some = choose.sample(texts, min(len(texts), PER_FORTUNES if folder.name.startswith("fortunes") else PER_LANGUAGE))
            print(f"{name}: {len(some)} of {len(texts)}")
            chosen += some
    choose.shuffle(chosen)
    (work / "multilingual-sentences.json").write_text(json.dumps(chosen, ensure_ascii=False, indent=0), encoding="utf-8")
    print(len(chosen), "texts")


if __name__ == "__main__":
    main(*sys.argv[1:2])
