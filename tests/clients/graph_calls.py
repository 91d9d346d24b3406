"""What is asked of the nine tools of a knowledge graph: a conversation that touches every rule, and random ones."""

import random


def entity(name, kind="thing", *observations):
    return {"name": name, "entityType": kind, "observations": list(observations)}


def relation(start, kind, end):
    return {"from": start, "to": end, "relationType": kind}


def more(name, *contents):
    return {"entityName": name, "contents": list(contents)}


def less(name, *observations):
    return {"entityName": name, "observations": list(observations)}


def create(*entities):
    return "create_entities", {"entities": list(entities)}


def relate(*relations):
    return "create_relations", {"relations": list(relations)}


def observe(*observations):
    return "add_observations", {"observations": list(observations)}


def remove(*names):
    return "delete_entities", {"entityNames": list(names)}


def forget(*deletions):
    return "delete_observations", {"deletions": list(deletions)}


def sever(*relations):
    return "delete_relations", {"relations": list(relations)}


def search(query):
    return "search_nodes", {"query": query}


def look(*names):
    return "open_nodes", {"names": list(names)}


READ = ("read_graph", {})

# Each of these once broke some store of texts, or is equal to another one for a store that is not exact.
ODD = ["", " ", "a", "A", " a", "a ", "\u00e9", "e\u0301", "__proto__", "constructor", "a\nb", "tab\tand \"quote\" \\ /",
       "\u0000", "\u001f\u007f", "\u2028\ufeff", "\U0001f9e0\u200d", "\u0130stanbul", "\u03a3\u0391\u03a3", "<b>&amp;",
       "\u65e5\u672c\u8a9e", "null", "[]", "{\"a\": 1}", "../..", "%00"]

# Call by call, and the graph itself wherever it has changed.
SCRIPT = [
    # Nothing is there yet.
    READ, ("read_graph", None), ("read_graph", {"whatever": [1]}), search(""), search("x"), look(), look("nobody"),
    remove("nobody"), forget(less("nobody", "x")), sever(relation("a", "knows", "b")), observe(), READ,
    # Entities: an old name is passed over and nothing of it is merged; a new name twice in one call is made twice.
    create(), create(entity("Ada", "person", "wrote notes", "wrote notes", "lived in London")),
    create(entity("Ada", "machine", "other")),
    create(entity("ada", "person"), entity("Ada"), entity("Babbage", "Person", "built")),
    create(entity("Twin", "first", "one"), entity("Twin", "second", "two")), create(entity("Twin", "third")), READ,
    create({**entity("Extra", "thing", "x"), "color": "red"}), create({"observations": [], "entityType": "", "name": ""}),
    READ, ("create_entities", {"entities": [entity("Beside")], "color": "red"}),
    # Observations: what is new is told, a double within one list is kept, and one that is missing undoes the call.
    observe(more("Ada", "wrote notes", "was a countess")), observe(more("Ada")), observe(more("Ada", "twice", "twice")),
    observe(more("Ada", "again"), more("Babbage", "again"), more("Ada", "again", "and again")), READ,
    observe(more("Twin", "to the first")), READ, observe(more("Ada", "lost"), more("Nobody", "x"), more("No one", "x")),
    observe(more("nobody")), observe(more("a\nb\"")), observe({**more("Ada", "with"), "color": "red"}), READ,
    # Relations: ends need not be there, and doubles go by all three.
    relate(), relate(relation("Ada", "worked with", "Babbage"), relation("Ada", "worked with", "Babbage")),
    relate(relation("Ada", "worked with", "Babbage"), relation("Babbage", "worked with", "Ada")),
    relate(relation("Ada", "Worked with", "Babbage"), relation("Ada", "is", "Ada"), relation("Ada", "", "")),
    relate(relation("Ghost", "haunts", "Ada"), relation("Ghost", "haunts", "Castle")),
    relate(relation("Babbage", "fears", "Ghost")),
    relate({**relation("Extra", "is beside", "Beside"), "color": "red"}), READ,
    # A search is a part of a text, of whatever case; a relation is there as soon as one of its ends is.
    search(""), search("ADA"), search("person"), search("COUNTESS"), search("wrote  notes"), search("notes wrote"),
    search("worked with"), search("haunts"), search("Ghost"), search("first"), search(" "), search("London "), search(".*"),
    # Names are exact, the order is the order of the graph, and who is only an end of a relation is not there.
    look("Babbage", "Ada"), look("Ada", "Ada"), look("ADA"), look("Twin"), look("Ghost"),
    look("Ghost", "Babbage"), look(""),
    # Deletions pass over what is not there, and take every double.
    forget(less("Ada", "twice", "was never there"), less("Nobody", "x")), READ, forget(less("Ada")),
    forget(less("ADA", "again")), forget(less("Twin", "two")), forget(less("Twin", "one"), less("Twin", "one")),
    forget(), READ,
    sever(relation("Ada", "worked with", "babbage")), READ, sever(relation("Ada", "worked with", "Babbage")), READ,
    sever(), sever({**relation("Ada", "is", "Ada")}, relation("x", "y", "z")), READ,
    # The relations of a name go with it, also of a name that never was an entity.
    remove("Castle"), READ, remove("Twin", "Nobody"), READ, remove("Babbage"), READ, remove(),
    create(entity("Babbage", "new")), READ, remove("Ada", "Ghost"), READ, search("a"),
    # Odd texts, everywhere; what is equal is equal byte for byte.
    create(*[entity(text, text, text, text + "!") for text in ODD]), READ,
    relate(*[relation(text, text, text) for text in ODD]), READ,
    observe(*[more(text, text, "new " + text) for text in ODD]),
    look(*ODD), look("\u00e9"), look("e\u0301"), *[search(text) for text in ODD], search("i\u0307stanbul"),
    search("ISTANBUL"), search("\u03c3\u03b1\u03c2"), search("\u03c3\u03b1\u03c3"), search("SS"),
    search("\u1e9e"), search("\u00c9"),
    forget(*[less(text, text) for text in ODD[::2]]), sever(*[relation(text, text, text) for text in ODD[::3]]), READ,
    remove(*ODD[1::2]), READ,
    # A long one.
    create(entity("Long", "text", *[f"{n}: " + "word " * 40 for n in range(60)])), search("59: WORD"), look("Long"),
    remove("Long"), READ,
]

# What the official server does not take. Each is refused as a whole, though a part of it is well.
REFUSED = [
    ("create_entities", None), ("create_entities", {}), ("create_entities", {"entities": "x"}),
    ("create_entities", {"entities": {}}), ("create_entities", {"entities": 1}), ("create_entities", {"entities": True}),
    ("create_entities", {"entities": [1, None, "x", True, [], {}]}),
    ("create_entities", {"entities": [entity("Kept?"), {"name": 1, "entityType": None, "observations": "x"}]}),
    ("create_entities", {"entities": [entity("Kept?", "thing", "x", 1, None, True, [], {})]}),
    ("create_entities", {"entities": [{"observations": {}, "entityType": []}]}),
    ("create_relations", {}), ("create_relations", {"relations": [{}]}),
    ("create_relations", {"relations": [relation("Kept?", "is", "kept"), {"to": 1.5, "relationType": None}]}),
    ("add_observations", {}), ("add_observations", {"observations": [{}]}),
    ("add_observations", {"observations": ["Ada", 5]}),
    ("add_observations", {"observations": [more("Ada", "kept?"), {"entityName": "Ada", "contents": "x"}]}),
    ("add_observations", {"observations": [{"entityName": ["Ada"], "contents": ["x", 7]}]}),
    ("delete_entities", {}), ("delete_entities", {"entityNames": ["Ada", 1]}),
    ("delete_entities", {"entityNames": {"name": "Ada"}}),
    ("delete_observations", {}), ("delete_observations", {"deletions": [{}]}),
    ("delete_observations", {"deletions": [less("Ada", "kept"), {"entityName": "Ada", "observations": {"a": "kept"}}]}),
    ("delete_relations", {}), ("delete_relations", {"relations": [relation("Ada", "is", "kept"), {"from": "Ada"}]}),
    ("search_nodes", None), ("search_nodes", {}), ("search_nodes", {"query": ["Ada"]}), ("search_nodes", {"query": {}}),
    ("open_nodes", {}), ("open_nodes", {"names": {}}), ("open_nodes", {"names": ["Ada", None, 3, ["Ada"]]}),
]


class Conversation:
    """Random calls about a few names, so that they meet; the same seed asks the same."""

    NAMES = ["Ada", "ada", "Bob", "Bob ", "", "\u00e9", "e\u0301", "__proto__", "\u0130x", "Zo\u00eb"]
    KINDS = ["person", "Person", "", "\u03a3\u0391\u03a3"]
    NOTES = ["likes tea", "Likes Tea", "likes", "", " ", "line\nline", "\u03c3\u03b1\u03c2", "\U0001f9e0", "a", "\u0000"]
    # By how often each is asked: more is made than is deleted, or there would be nothing to ask about.
    MADE = ["create_entities", "create_relations", "add_observations"]
    REST = ["delete_entities", "delete_observations", "delete_relations", "read_graph", "search_nodes", "open_nodes"]
    TOOLS = MADE * 3 + REST * 2

    def __init__(self, seed):
        self.random = random.Random(seed)

    def calls(self, number):
        for _ in range(number):
            yield self.call()

    def call(self):
        if self.random.random() < 0.04:
            return self.random.choice(REFUSED)
        tool = self.random.choice(self.TOOLS)
        return {"create_entities": lambda: create(*self.several(self.entity)),
                "create_relations": lambda: relate(*self.several(self.relation)),
                "add_observations": lambda: observe(*self.several(lambda: more(self.known(), *self.several(self.note)))),
                "delete_entities": lambda: remove(*self.several(self.name, 2)),
                "delete_observations": lambda: forget(*self.several(lambda: less(self.name(), *self.several(self.note)))),
                "delete_relations": lambda: sever(*self.several(self.relation)),
                "read_graph": lambda: READ,
                "search_nodes": lambda: search(self.query()),
                "open_nodes": lambda: look(*self.several(self.name))}[tool]()

    def several(self, one, most=4):
        return [one() for _ in range(self.random.randrange(most))]

    def name(self):
        return self.random.choice(self.NAMES)

    def known(self):
        """A name that is seldom missing, since one that is missing undoes the whole call."""
        return self.random.choice(self.NAMES[:3]) if self.random.random() < 0.8 else self.name()

    def note(self):
        return self.random.choice(self.NOTES)

    def entity(self):
        return entity(self.name(), self.random.choice(self.KINDS), *self.several(self.note))

    def relation(self):
        return relation(self.name(), self.random.choice(["knows", "Knows", ""]), self.name())

    def query(self):
        text = self.random.choice(self.NAMES + self.KINDS + self.NOTES)
        start = self.random.randrange(len(text) + 1)
        part = text[start:start + self.random.randrange(1, 6)]
        return self.random.choice([part, part.upper(), part.lower(), text])
