"""Users with so many memories that what their sessions made of them is kept while they sleep (`.minds`, docs/FORMAT.md).

The text of each of their memories begins with a marker that no other memory has, and a word, one of 20 billion, that is drawn
anew when another text takes its place; a version that only has more behind it, other tags or another state keeps the word. So
whoever knows what is stored knows what a search for a word has to find, and what not, however the server ranks.
"""

import common

# With fewer memories a session keeps nothing.
LEAST_KEPT = 5_000
FOLDER = ".minds"
CONSONANTS, VOWELS, ENDS = "bcdfghjklmnpqrstvwxz", "aiou", "bdkmpz"


def new_word(chance):
    """None that a stemmer shortens, nor one that a question may be mended to."""
    return "".join(chance.choice(CONSONANTS) + chance.choice(VOWELS) for _ in range(5)) + chance.choice(ENDS)


def text_of(marker, chance):
    return " ".join([marker, new_word(chance), *chance.choices(common.WORDS, k=8)])


def marker_of(text):
    return text.split(None, 1)[0]


def word_of(text):
    return text.split(None, 2)[1]


def question(word, user):
    """By words alone: what only means the same is not looked for."""
    return f"/api/v1/search?user_id={user}&query={word}&mode=keyword"


def texts_in(answer):
    return [result["content"] for result in answer["results"]]


def finder(told, user):
    """What gives the texts that this user finds by a word; `told` asks the server."""
    return lambda word: texts_in(told("GET", question(word, user)))


def misfound(find, there, said):
    """What searches find otherwise than it is stored: a kind of fault, a marker and a word each.

    `find` gives the texts that are found for a word. `there` has texts by marker, each of which its word has to find; `said`
    has the words that memories ever had by marker, of which only that of the text that is there may find the memory.
    """
    for marker, text in there.items():
        if text not in (found := find(word_of(text))):
            yield "mixed" if marker in map(marker_of, found) else "lost", marker, word_of(text)
    for marker, words in said.items():
        present = word_of(there[marker]) if marker in there else None
        yield from (("back", marker, word) for word in words if word != present and marker in map(marker_of, find(word)))


def kept_in(data):
    """The files of sessions that are kept now, by their names; one that is being written is not among them."""
    return {path.name: path for path in (data / FOLDER).glob("*") if path.name.isdigit()}
