"""Makes the training sentences from unpacked Debian packages (see README.md).

Reads   WORK/packages/<package>/...   (what `dpkg-deb -x` left)
Writes  WORK/sentences.txt            (one sentence a line, shuffled, UTF-8)
        WORK/heldout.txt              (every sentence whose digest falls in the held-out share)
        WORK/corpus.json              (counts by source)

No evaluation text is read here.
"""

import gzip
import hashlib
import html.parser
import json
import pathlib
import random
import re
import sys

SEED = 20240601
# A sentence outside these bounds is a heading, a list of symbols, or a run-on.
MIN_WORDS, MAX_WORDS, MAX_CHARS = 3, 60, 320
# One in this many sentences is kept away from the fit, by its digest, so the choice is stable.
HELDOUT_ONE_IN = 100


class TextOfHtml(html.parser.HTMLParser):
    """Collects the text of block elements; skips scripts, styles, navigation and listings."""

    BLOCKS = {"p", "li", "dd", "dt", "td", "th", "h1", "h2", "h3", "h4", "title", "desc", "item", "div", "br"}
    SKIPPED = {"script", "style", "nav", "header", "pre", "screen", "credit", "noscript", "footer"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.blocks, self.current, self.skipping = [], [], []

    def flush(self):
        text = " ".join("".join(self.current).split())
        if text:
            self.blocks.append(text)
        self.current = []

    def handle_starttag(self, tag, attrs):
        if tag in self.SKIPPED:
            self.skipping.append(tag)
        if tag in self.BLOCKS:
            self.flush()

    def handle_endtag(self, tag):
        if self.skipping and tag == self.skipping[-1]:
            self.skipping.pop()
        if tag in self.BLOCKS:
            self.flush()

    def handle_data(self, data):
        if not self.skipping:
            self.current.append(data)


def read(path):
    """-> the text of a file, unpacked if it is gzip or dictzip."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    return raw.decode("utf-8", "replace")


def sentences_of(text):
    """Splits running text at a full stop, question or exclamation mark before a capital."""
    return re.split(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])", " ".join(text.split()))


def files(root, package, pattern):
    return sorted(p for p in (root / package).rglob(pattern) if p.is_file() and not p.is_symlink())


def from_html(root, package, pattern="*.html", inside=""):
    for path in files(root, package, pattern):
        if inside in path.as_posix():
            parser = TextOfHtml()
            parser.feed(read(path))
            parser.close()
            parser.flush()
            for block in parser.blocks:
                yield from sentences_of(block)


def from_wordnet(root):
    """Each gloss once as "word: gloss", and each example sentence."""
    seen = set()
    text = read(files(root, "dict-wn", "wn.dict.dz")[0])
    for entry in re.split(r"\n(?=\S)", text):
        word, _, body = entry.partition("\n")
        body = re.sub(r"\[(?:syn|ant|also):[^\]]*\]", "", " ".join(body.split()))
        for sense in re.split(r"(?:\b(?:n|v|adj|adv) )?\b\d+: ", body)[1:]:
            gloss, *rest = re.split(r"[;,] *(?=\")", sense)
            gloss = gloss.strip(" ;,[]")
            if gloss and gloss not in seen:
                seen.add(gloss)
                yield f"{word.strip()}: {gloss}"
            for example in re.findall(r"\"([^\"]+)\"", " ".join(rest)):
                yield example


def from_gcide(root):
    """Definitions and quotations of the 1913 dictionary, without its source marks."""
    text = read(files(root, "dict-gcide", "gcide.dict.dz")[0])
    for paragraph in re.split(r"\n\s*\n|\[1913 Webster\]|\[WordNet 1.5\]|\[PJC\]", text):
        paragraph = re.sub(r"--\s*[A-Z][\w. ]*$|\[[^\]]*\]|[{}]", "", " ".join(paragraph.split()))
        paragraph = re.sub(r"^\d+\.\s*(\([^)]*\))?\s*", "", paragraph)
        if "\\" not in paragraph and not paragraph.startswith(("Syn:", "Note:")):
            yield from sentences_of(paragraph)


def from_dictd(root, package, pattern):
    for paragraph in re.split(r"\n\s*\n", read(files(root, package, pattern)[0])):
        paragraph = re.sub(r"[{}]|<[^>]*>|\(\d{4}-\d\d-\d\d\)|/[^/ ]{2,20}/", "", paragraph)
        yield from sentences_of(paragraph)


def from_fortunes(root):
    for package in ("fortunes", "fortunes-min"):
        for path in files(root, package, "games/fortunes/*"):
            if path.suffix or path.name in ("ascii-art", "translate-me"):
                continue
            for quote in re.split(r"\n%\n", read(path)):
                quote = re.sub(r"\n\s*--.*", "", quote, flags=re.S)
                yield from sentences_of(quote)


def from_python(root):
    for path in files(root, "python3.11-doc", "*.rst.txt"):
        for paragraph in re.split(r"\n\s*\n", read(path)):
            if not re.match(r"\s*(\.\.|>>>|[*=+#~-]{3})", paragraph) and "::\n" not in paragraph:
                paragraph = re.sub(r":[\w:+-]+:`~?!?\.?([^`<]*)(?:<[^>]*>)?`|[`*]+", r"\1", paragraph)
                yield from sentences_of(paragraph)


def from_perl(root):
    for path in files(root, "perl-doc", "*.pod"):
        for paragraph in re.split(r"\n\s*\n", read(path)):
            if paragraph[:1] not in (" ", "\t", "="):
                paragraph = re.sub(r"[A-Z]<+ ?([^<>|]*)(?:\|[^<>]*)? ?>+", r"\1", paragraph)
                yield from sentences_of(paragraph)


def from_endless_sky(root):
    """The spoken lines of a game: questions, answers, small talk."""
    for path in files(root, "endless-sky-data", "*.txt"):
        for line in re.findall(r"^\s+`\s*(.*)`\s*$", read(path), flags=re.M):
            yield from sentences_of(re.sub(r"<[^>]+>", "Alex", line))


# source -> (share of the corpus kept at most, sentences; function of the packages' folder)
SOURCES = {
    "dict-wn": (200_000, from_wordnet),
    "dict-gcide": (80_000, from_gcide),
    "dict-foldoc": (40_000, lambda root: from_dictd(root, "dict-foldoc", "foldoc.dict.dz")),
    "dict-jargon": (20_000, lambda root: from_dictd(root, "dict-jargon", "jargon.dict.dz")),
    "fortunes": (60_000, from_fortunes),
    "endless-sky-data": (40_000, from_endless_sky),
    "python3.11-doc": (30_000, from_python),
    "perl-doc": (25_000, from_perl),
    "libreoffice-help-en-us": (25_000, lambda root: from_html(root, "libreoffice-help-en-us")),
    "gimp-help-en": (25_000, lambda root: from_html(root, "gimp-help-en")),
    "gnome-user-docs": (15_000, lambda root: from_html(root, "gnome-user-docs", "*.page", "/C/")),
    "debian-handbook": (15_000, lambda root: from_html(root, "debian-handbook", "*.html", "en-US")),
    "debian-faq": (5_000, lambda root: from_html(root, "debian-faq")),
    "installation-guide-amd64": (5_000, lambda root: from_html(root, "installation-guide-amd64", "*.html", "/en/")),
    "anarchism": (50_000, lambda root: from_html(root, "anarchism")),
}


def is_sentence(text):
    """True for a line of mostly letters within the bounds above."""
    words = text.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or len(text) > MAX_CHARS:
        return False
    letters = sum(c.isalpha() for c in text)
    return letters >= 0.7 * (len(text) - len(words) + 1)


def is_heldout(text):
    digest = hashlib.blake2b(text.lower().encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % HELDOUT_ONE_IN == 0


def collect(root):
    """-> [(source, sentence)], each sentence once, at most the source's share of each."""
    seen, kept = set(), []
    for name, (limit, make) in SOURCES.items():
        fresh = []
        for text in make(root):
            text = " ".join(text.split()).strip()
            if is_sentence(text) and text.lower() not in seen:
                seen.add(text.lower())
                fresh.append(text)
        random.Random(f"{SEED} {name}").shuffle(fresh)
        kept += [(name, text) for text in fresh[:limit]]
        print(f"{name:28s} {len(fresh):8d} found {min(limit, len(fresh)):8d} kept", flush=True)
    random.Random(SEED).shuffle(kept)
    return kept


def main(work):
    work = pathlib.Path(work)
    kept = collect(work / "packages")
    train = [(s, t) for s, t in kept if not is_heldout(t)]
    held = [(s, t) for s, t in kept if is_heldout(t)]
    counts = {name: sum(s == name for s, _ in train) for name in SOURCES}
    (work / "sentences.txt").write_text("".join(t + "\n" for _, t in train), encoding="utf-8")
    (work / "heldout.txt").write_text("".join(f"{s}\t{t}\n" for s, t in held), encoding="utf-8")
    (work / "corpus.json").write_text(json.dumps({"train": counts, "heldout": len(held)}, indent=1) + "\n")
    print(len(train), "to train on,", len(held), "held out")


if __name__ == "__main__":
    main(*sys.argv[1:2])
