"""Anthropic's memory tool as a client uses it, and what is asked of it: ranges, edits, paths and texts."""

import re

from callers import result
from conftest import KEY
from plain import Plain

COMMANDS = ["view", "create", "str_replace", "insert", "delete", "rename"]
ARGUMENTS = ["command", "path", "view_range", "file_text", "old_str", "new_str", "insert_line", "insert_text", "old_path",
             "new_path"]
# The size of a directory is the affair of a file system.
SIZE = re.compile(r"\d+(\.\d)?[BKMG]")
NOT_INSIDE = "Path must start with /memories, got: {}"
NO_WAY_OUT = "Path {} would escape /memories directory"
LISTED = "Here're the files and directories up to 2 levels deep in {}, excluding hidden items and node_modules:"
SHOWN = "Here's the content of {} with line numbers:\n"
EDITED = "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n"
# A range of a file with three lines and a newline at the end, and the lines that it shows.
RANGES = [
    ([1, 2], [1, 2]), ([2, 3], [2, 3]), ([3, 3], [3]), ([2, -1], [2, 3, 4]), ([0, 1], [1]), ([-5, 2], [1, 2]),
    ([3, 99], [3, 4]), ([4, 4], [4]), ([5, 9], []), ([3, 2], []), ([], [1, 2, 3, 4]), ([2], [1, 2, 3, 4]),
    (None, [1, 2, 3, 4]), ("[2, 3]", [2, 3])]
# The text before, what is replaced by what, the text after, and which of its lines are shown.
REPLACED = [
    ("a b c", "b", "B", "a B c", [1]), ("a\nb\nc", "b", "", "a\n\nc", [1, 2, 3]),
    ("a\nb\nc\n", "b\nc", "x", "a\nx\n", [1, 2, 3]),
    ("1\n2\n3\n4\n5\n6\n7\n8\n9", "5", "five", "1\n2\n3\n4\nfive\n6\n7\n8\n9", [3, 4, 5, 6, 7]),
    ("1\n2\n3\n4\n5\n6", "2", "2\n2\n2\n2\n2", "1\n2\n2\n2\n2\n2\n3\n4\n5\n6", [1, 2, 3, 4]),
    ("a\nb", "b", "b\n", "a\nb\n", [1, 2, 3]), ("aaa", "aa", "b", "ba", [1]), ("x", "x", "", "", [1]),
    ("a\r\nb\r\n", "\r\nb", "\nb", "a\nb\r\n", [1, 2, 3]), ("x", "x", "$& $1 \\1 {} %s", "$& $1 \\1 {} %s", [1]),
    ("a.c abc", "a.c", "!", "! abc", [1]), ("Caf\u00e9 Cafe\u0301", "Cafe\u0301", "x", "Caf\u00e9 x", [1])]
# The text before, the line behind which it goes, what goes in, and the text after.
INSERTED = [
    ("a\nb\n", 0, "x\n", "x\na\nb\n"), ("a\nb\n", 1, "x", "a\nx\nb\n"), ("a\nb\n", 2, "x\n", "a\nb\nx\n"),
    ("a\nb\n", 3, "x\n", "a\nb\n\nx"), ("a\nb", 2, "x\n", "a\nb\nx"), ("a\nb", 0, "x\ny", "x\ny\na\nb"),
    ("a\nb", 1, "x\n\n", "a\nx\n\nb"), ("a\nb", 1, "", "a\n\nb"), ("a\nb", 1, "\n", "a\n\nb"), ("", 0, "x\n", "x\n"),
    ("", 1, "x", "\nx"), ("a\r\nb", 1, "x\r\n", "a\r\nx\r\nb"), ("a\u2028b\n", 1, "  x  ", "a\u2028b\n  x  \n")]
# Whole paths, and below them names for a path below /memories.
OUTSIDE = ["", "/", ".", "..", "/etc/passwd", "etc/passwd", "memories", "memories/f", " /memories/f", "/memoriesf",
           "/memories2/f", "/memories../f", "/Memories/f", "/MEMORIES/f", "~/memories/f", "file:///memories/f",
           "C:\\memories\\f", "\\memories\\f", "//memories/f", "/./memories/f", "/x/../memories/f", "../memories/f",
           "/tmp/memories/f", "/%6demories/f"]
UPWARDS = ["..", "../", "../f", "../../etc/passwd", "a/..", "a/../f", "a/../../f", "./../f", "a/b/../../../f",
           "..//f", "../memories/f", "..\\f", "..\\..\\etc\\passwd", "a\\..\\..\\f", "a/..\\f", "%2e%2e/f",
           "%2E%2E%2Ff", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", ".%2e/f", "..%2ff", "..%5cf", "%2e%2e%5cf",
           "%252e%252e%252ff", "%252e%252e/f", "a/%2e%2e/f"]
# A file of such a name may be kept or refused; it is never another file, and never a way out.
STRANGE = ["A", "f", "...", "....", "..f", "f..", ". .", ".. ", " ..", "a\\b", "\\", "%", "%41", "%66", "%2f", "%00",
           "100%", "\uff0e\uff0e", "\u2025", "\u2024\u2024", "\uff0e\uff0e\uff0ff", "\u2025\u2215f", "\u2026",
           "..\u200b", "\u202e..", "\u0435tc", "caf\u00e9", "cafe\u0301", "CAFE", "cafe", "f\u0007", "f\nnew\tline",
           "f\r", "f\t", "f ", " f", "*", "?", "$HOME", "`id`", ";id", "|", "-rf", "con", "nul.txt", "a:b",
           "f -> etc", "~", "\U0001f9e0", "\u65e5\u672c\u8a9e", "'\"", "x" * 200, "..;", "%c0%ae%c0%ae",
           "%u002e%u002e", "&#46;&#46;"]
# Every one of these is kept as it came.
TEXTS = ["", "\n", "\n\n\n", "no newline", "one\n", " lead and trail \n ", "\ttab\tinside\t\n", "a\r\nb\r\n", "\r",
         "a\rb", "\ufeffmark", "a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg", "nul \u0000 esc \u001b[31m del \u007f",
         "\U0001f9e0\u200d\U0001f468 \U0001d54f", "e\u0301 \u00e9 \u1100\u1161 \uac00", "\u202eright to left\u202c",
         "     1\tnot a number\n     2\teither", "Here's the content of /memories/f with line numbers:\n     1\tx",
         "<b>&amp;</b> {\"a\": 1} `x` $(id) %s {}", "null", "[]", "true", "0", "\\n \\u0000 \\", "x" * 20000,
         "line\n" * 4000, "\u65e5" * 6000]


class Files:
    def __init__(self, server, key=KEY, era="legacy"):
        self.plain = Plain(server, key, era)

    def ask(self, command, **arguments):
        raw = self.plain.ask("tools/call", {"name": "memory", "arguments": {"command": command, **arguments}})
        assert [block["type"] for block in raw["content"]] == ["text"], raw
        return result(raw)

    def does(self, command, **arguments):
        answer = self.ask(command, **arguments)
        assert not answer.is_error, answer.text[:2000]
        return answer.text

    def refuses(self, command, **arguments):
        answer = self.ask(command, **arguments)
        assert answer.is_error, answer.text[:2000]
        assert answer.text
        return answer.text

    def create(self, path, text=""):
        assert self.does("create", path=path, file_text=text) == f"File created successfully at: {path}"

    def text(self, path):
        """The text of a file, read out of its numbered lines."""
        seen = self.does("view", path=path)
        assert seen.startswith(SHOWN.format(path))
        lines = []
        for number, line in enumerate(seen.removeprefix(SHOWN.format(path)).split("\n"), 1):
            mark, tab, rest = line.partition("\t")
            assert (mark, tab) == (f"{number:>6}", "\t"), line
            lines.append(rest)
        return "\n".join(lines)

    def is_missing(self, path):
        return self.refuses("view", path=path) == f"The path {path} does not exist. Please provide a valid path."

    def listing(self, path="/memories"):
        """Every line below the first: size, or `dir` for a directory, and path."""
        head, first, *lines = self.does("view", path=path).split("\n")
        assert head == LISTED.format(path)
        seen = [line.split("\t") for line in [first, *lines]]
        assert [s for s, p in seen if not SIZE.fullmatch(s)] == []
        assert seen[0][1] == path
        return [("dir" if p.endswith("/") else s, p) for s, p in seen[1:]]


def lines(*numbered):
    return "\n".join(f"{number:>6}\t{text}" for number, text in numbered)
