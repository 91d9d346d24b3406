"""What those clients of crash.py do whose users have so many memories that sessions keep what they made of them (many.py)."""

import collections

import common
import many
from crash_clients import Client, is_live, made

# Two share a user, who has somewhat more memories than are needed for anything to be kept.
OF_A_USER, STOCK = 2, 3_000
# So many are looked for again after a kill: those that were touched last, with the words that they had last, and some others.
RECENT, LAST_WORDS, OTHERS = 12, 3, 3


class Hoarder(Client):
    """Changes little, so that its session often sleeps and wakes with nothing changed, and looks for words that it knows."""

    def __init__(self, number, user, key, seed, data):
        super().__init__(number, user, key, seed)
        self.minds = data / many.FOLDER
        # Every word that a memory ever had, and which were touched last.
        self.said, self.recent = {}, collections.deque(maxlen=RECENT)

    def deeds(self):
        return DEEDS

    def text(self, marker):
        text = many.text_of(marker, self.random)
        self.said.setdefault(marker, []).append(many.word_of(text))
        return text

    def stock(self):
        """Lines of an import, of which it knows what they become."""
        markers = [self.marker() for _ in range(STOCK)]
        self.known.update({marker: made(self.text(marker), [self.random.choice(common.WORDS)]) for marker in markers})
        self.born.update(dict.fromkeys(markers, 1))
        of_each = (self.known[marker][0] for marker in markers)
        return common.lines_of({"content": one.content, "tags": one.tags} for one in of_each)

    def change(self, what, after, ask, parts=(), has_parts=False):
        """As for every client; and what is erased is in nothing any more that a session keeps."""
        self.recent.extend(after)
        answer = super().change(what, after, ask, parts, has_parts)
        if answer:
            erased = [word.encode() for marker, state in after.items() if state is None for word in self.said[marker]]
            left = list(common.readable_in(self.minds, erased))
            self.expect(f"{what}: what is erased is still kept", not left, left)
        return answer

    def one(self, status=None, is_of=lambda _: True):
        """One of some: there are too many to look at all."""
        some = self.some()
        self.random.shuffle(some)
        return next((marker for marker in some if self.is_free(marker, status, is_of)), None)

    def some(self, others=20):
        """Those that were touched last, also what is gone, and some others."""
        return list(dict.fromkeys([*self.recent, *self.random.sample(list(self.known), others)]))

    def add(self):
        self.purge() if len(self.known) > STOCK + 50 else self.add_one()

    def search(self):
        known = [marker for marker in self.some() if marker not in self.busy]
        self.odd += [f"search: {' '.join(wrong)}" for wrong in self.misfound(self.find, self.random.sample(known, 1))]
        self.acknowledged["search"] += 1

    def find(self, word):
        status, answer = self.answer_to("search", lambda: self.door.ask("GET", many.question(word, self.user)))
        self.expect("search", status == 200, answer)
        return many.texts_in(answer) if status == 200 else []

    def misfound(self, find, markers):
        """What searches find of these memories otherwise than they are known."""
        there = {marker: self.known[marker][-1].content for marker in markers if is_live(self.known.get(marker))}
        return many.misfound(find, there, {marker: self.said[marker][-LAST_WORDS:] for marker in markers})


DEEDS = [("search", 25), ("sleep", 10), ("read", 3), ("add", 3), ("update", 4), ("append", 1), ("retag", 1), ("delete", 2),
         ("restore", 2), ("purge", 2)]
