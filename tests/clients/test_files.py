"""The `files` set: Anthropic's memory tool, its texts byte for byte as their documentation has them.

Where the documentation is silent the texts are those of the tool in Anthropic's SDKs. What a path may be is stricter here
than there: one file has one name.
"""

import concurrent.futures

import pytest
from memory_files import (
    ARGUMENTS,
    COMMANDS,
    EDITED,
    INSERTED,
    NO_WAY_OUT,
    NOT_INSIDE,
    OUTSIDE,
    RANGES,
    REPLACED,
    SHOWN,
    STRANGE,
    TEXTS,
    UPWARDS,
    Files,
    lines,
)


@pytest.fixture
def files(home):
    return Files(home.server(TOOLSETS="files"))


@pytest.fixture(params=["legacy", "modern"])
def files_of_era(home, request):
    return Files(home.server(TOOLSETS="files"), era=request.param)


# ---- the tool and its commands ------------------------------------------------------------------
def test_one_tool_is_listed_with_the_arguments_of_anthropics(files_of_era):
    tools = files_of_era.plain.tools()

    schema = tools["memory"]["inputSchema"]
    assert list(tools) == ["memory"]
    assert sorted(schema["properties"]) == sorted(ARGUMENTS)
    assert schema["required"] == ["command"]
    assert schema["properties"]["command"]["enum"] == COMMANDS


def test_the_life_of_a_file(files_of_era):
    files = files_of_era
    path = "/memories/notes/todo.txt"

    assert files.does("create", path=path, file_text="one\ntwo\n") == f"File created successfully at: {path}"
    assert files.does("view", path=path) == SHOWN.format(path) + "     1\tone\n     2\ttwo\n     3\t"
    assert files.does("str_replace", path=path, old_str="two", new_str="2") == EDITED + "     1\tone\n     2\t2\n     3\t"
    assert files.does("insert", path=path, insert_line=2, insert_text="three\n") == f"The file {path} has been edited."
    assert files.text(path) == "one\n2\nthree\n"
    assert files.does("rename", old_path=path, new_path="/memories/done.txt") == \
        f"Successfully renamed {path} to /memories/done.txt"
    assert ("12B", "/memories/done.txt") in files.listing()
    assert files.does("delete", path="/memories/done.txt") == "Successfully deleted /memories/done.txt"
    assert files.is_missing("/memories/done.txt") and files.is_missing(path)


def test_the_root_is_there_before_any_file_and_stays(files):
    assert files.listing() == []
    assert files.refuses("delete", path="/memories") == "Cannot delete the /memories directory itself"
    assert files.refuses("rename", old_path="/memories", new_path="/memories/a") == \
        "Cannot rename the /memories directory itself"
    assert files.refuses("create", path="/memories", file_text="x") == "Error: File /memories already exists"
    assert files.listing() == []


def test_a_directory_is_listed_two_levels_deep_and_by_name(files):
    for path, size in [("b.txt", 5), ("a/z.txt", 0), ("a/b/deep.txt", 1), ("a/b/c/deeper.txt", 1), ("a-b", 1536),
                       ("B", 1024), ("\u00e9", 2), (".hidden/x", 1), (".dot", 1), ("a/.dot", 1), ("node_modules/x", 1),
                       ("a/node_modules", 1), ("c/1025", 1025), ("c/20000", 20000)]:
        files.create(f"/memories/{path}", "x" * size)

    assert files.listing() == [
        ("1K", "/memories/B"), ("dir", "/memories/a/"), ("dir", "/memories/a/b/"), ("0B", "/memories/a/z.txt"),
        ("1.5K", "/memories/a-b"), ("5B", "/memories/b.txt"), ("dir", "/memories/c/"), ("1.0K", "/memories/c/1025"),
        ("19.5K", "/memories/c/20000"), ("2B", "/memories/\u00e9")]
    assert files.listing("/memories/a") == [
        ("dir", "/memories/a/b/"), ("dir", "/memories/a/b/c/"), ("1B", "/memories/a/b/deep.txt"),
        ("0B", "/memories/a/z.txt")]
    assert files.listing("/memories/.hidden") == [("1B", "/memories/.hidden/x")]
    assert files.text("/memories/.dot") == files.text("/memories/a/node_modules") == "x"


def test_a_size_is_that_of_the_bytes(files):
    files.create("/memories/a", "\u65e5\u672c\u8a9e\U0001f9e0")
    files.create("/memories/b", "\u00e9" * 512)

    assert files.listing() == [("13B", "/memories/a"), ("1K", "/memories/b")]


def test_a_range_shows_its_lines_under_their_own_numbers(files):
    texts = ["one", "two", "three", ""]
    files.create("/memories/f", "\n".join(texts))

    for wanted, shown in RANGES:
        seen = files.does("view", path="/memories/f", view_range=wanted)
        assert seen == SHOWN.format("/memories/f") + lines(*[(n, texts[n - 1]) for n in shown]), wanted


def test_a_range_of_a_directory_is_passed_over(files):
    files.create("/memories/f", "x")

    assert files.does("view", path="/memories", view_range=[2, 3]) == files.does("view", path="/memories")


def test_numbers_are_six_wide(files):
    files.create("/memories/f", "\n" * 1100)

    seen = files.does("view", path="/memories/f", view_range=[999, 1001])

    assert seen.split("\n")[1:] == ["   999\t", "  1000\t", "  1001\t"]


def test_a_new_file_overwrites_nothing(files):
    files.create("/memories/a/f", "first")

    assert files.refuses("create", path="/memories/a/f", file_text="second") == "Error: File /memories/a/f already exists"
    assert files.refuses("create", path="/memories/a", file_text="second") == "Error: File /memories/a already exists"
    files.refuses("create", path="/memories/a/f/g", file_text="below a file")

    assert files.text("/memories/a/f") == "first"
    assert files.listing() == [("dir", "/memories/a/"), ("5B", "/memories/a/f")]


def test_a_replacement_shows_two_lines_around_where_it_began(files):
    for number, (before, old, new, after, shown) in enumerate(REPLACED):
        path = f"/memories/{number}"
        files.create(path, before)

        seen = files.does("str_replace", path=path, old_str=old, new_str=new)

        assert seen == EDITED + lines(*[(n, after.split("\n")[n - 1]) for n in shown])
        assert files.text(path) == after


def test_what_is_there_twice_is_not_replaced(files):
    for before, old, told in [
            ("ab ab\nab", "ab", "1, 1, 2"), ("aaaa", "aa", "1, 1, 1"), ("x\ny\nx\ny\n", "x\ny", "1, 3"),
            ("`x` `x`", "`x`", "1, 1"), ("\n".join(["a", "b"] * 30), "a", ", ".join(str(n) for n in range(1, 61, 2)))]:
        files.create("/memories/f", before)

        assert files.refuses("str_replace", path="/memories/f", old_str=old, new_str="z") == \
            f"No replacement was performed. Multiple occurrences of old_str `{old}` in lines: {told}. " \
            "Please ensure it is unique"
        assert files.text("/memories/f") == before
        files.does("delete", path="/memories/f")


def test_what_is_not_there_verbatim_is_not_replaced(files):
    files.create("/memories/f", "tea")

    for old in ["Tea", "tea ", " tea", "t.a", "te\na", "`tea`", "tea\n"]:
        assert files.refuses("str_replace", path="/memories/f", old_str=old, new_str="x") == \
            f"No replacement was performed, old_str `{old}` did not appear verbatim in /memories/f."
    assert files.text("/memories/f") == "tea"


def test_nothing_cannot_be_replaced(files):
    files.create("/memories/f", "tea\nmilk")

    files.refuses("str_replace", path="/memories/f", old_str="", new_str="x")

    assert files.text("/memories/f") == "tea\nmilk"


def test_a_line_is_put_behind_the_line_of_its_number(files):
    for number, (before, line, text, after) in enumerate(INSERTED):
        path = f"/memories/{number}"
        files.create(path, before)

        assert files.does("insert", path=path, insert_line=line, insert_text=text) == f"The file {path} has been edited."
        assert files.text(path) == after, (before, line, text)


def test_a_line_beyond_the_file_is_refused(files):
    for before, line, last in [("a\nb\n", 4, 3), ("a\nb", 3, 2), ("", 2, 1), ("a", -1, 1), ("a", 1000000, 1)]:
        files.create("/memories/f", before)

        assert files.refuses("insert", path="/memories/f", insert_line=line, insert_text="x") == \
            f"Error: Invalid `insert_line` parameter: {line}. " \
            f"It should be within the range of lines of the file: [0, {last}]"
        assert files.text("/memories/f") == before
        files.does("delete", path="/memories/f")


def test_what_is_not_there_is_told_in_the_words_of_each_command(files):
    files.create("/memories/f", "x")

    for name in ("none", "none/below", "f/below", "F", "f ", "etc/passwd", "proc/self/environ"):
        path = f"/memories/{name}"
        assert files.is_missing(path)
        assert files.refuses("str_replace", path=path, old_str="x", new_str="y") == \
            f"Error: The path {path} does not exist. Please provide a valid path."
        assert files.refuses("insert", path=path, insert_line=0, insert_text="x") == \
            f"Error: The path {path} does not exist"
        assert files.refuses("delete", path=path) == f"Error: The path {path} does not exist"
        assert files.refuses("rename", old_path=path, new_path="/memories/new") == \
            f"Error: The path {path} does not exist"
    assert files.listing() == [("1B", "/memories/f")]


def test_a_directory_is_not_edited(files):
    files.create("/memories/a/f", "x")

    for path in ("/memories", "/memories/a"):
        assert files.refuses("str_replace", path=path, old_str="x", new_str="y") == \
            f"Error: The path {path} does not exist. Please provide a valid path."
        assert files.refuses("insert", path=path, insert_line=0, insert_text="y") == \
            f"Error: The path {path} does not exist"

    assert files.text("/memories/a/f") == "x"


def test_a_directory_is_deleted_with_all_that_is_in_it(files):
    for path in ("a/f", "a/b/c/d/g", "a/.hidden", "ab", "a.txt"):
        files.create(f"/memories/{path}", "x")

    assert files.does("delete", path="/memories/a") == "Successfully deleted /memories/a"

    assert files.listing() == [("1B", "/memories/a.txt"), ("1B", "/memories/ab")]
    for path in ("/memories/a/f", "/memories/a/b/c/d/g", "/memories/a/.hidden"):
        assert files.refuses("delete", path=path) == f"Error: The path {path} does not exist"
    files.create("/memories/a", "a file now")
    assert files.text("/memories/a") == "a file now"


def test_a_directory_is_renamed_with_all_that_is_in_it(files):
    for path in ("a/f", "a/b/g", "a/.hidden", "ab"):
        files.create(f"/memories/{path}", path)

    assert files.does("rename", old_path="/memories/a", new_path="/memories/x/y") == \
        "Successfully renamed /memories/a to /memories/x/y"

    assert files.listing() == [("2B", "/memories/ab"), ("dir", "/memories/x/"), ("dir", "/memories/x/y/")]
    assert files.listing("/memories/x/y") == \
        [("dir", "/memories/x/y/b/"), ("5B", "/memories/x/y/b/g"), ("3B", "/memories/x/y/f")]
    assert files.text("/memories/x/y/.hidden") == "a/.hidden"
    assert files.is_missing("/memories/a/f")


def test_a_rename_overwrites_nothing(files):
    for path in ("f", "g", "a/f", "b/f"):
        files.create(f"/memories/{path}", path)
    before = files.does("view", path="/memories")

    for old, new in [("f", "g"), ("f", "a"), ("a", "b"), ("a", "f"), ("f", "f"), ("a", "a"), ("none", "f"), ("f", "a/f")]:
        old, new = f"/memories/{old}", f"/memories/{new}"
        assert files.refuses("rename", old_path=old, new_path=new) == f"Error: The destination {new} already exists"
    assert files.refuses("rename", old_path="/memories/f", new_path="/memories") == \
        "Error: The destination /memories already exists"
    for old, new in [("a", "a/inside"), ("a", "a/b/c"), ("f", "f/below"), ("a", "f/below")]:
        files.refuses("rename", old_path=f"/memories/{old}", new_path=f"/memories/{new}")

    assert files.does("view", path="/memories") == before
    assert [files.text(f"/memories/{path}") for path in ("f", "g", "a/f", "b/f")] == ["f", "g", "a/f", "b/f"]


# ---- arguments ----------------------------------------------------------------------------------
def test_what_is_incomplete_is_refused_and_changes_nothing(files):
    files.create("/memories/f", "x")
    before = files.does("view", path="/memories")

    for command, arguments in [
            ("view", {}), ("create", {"path": "/memories/new"}), ("create", {"file_text": "x"}), ("delete", {}), ("", {}),
            ("insert", {"path": "/memories/f", "insert_text": "y"}), ("insert", {"path": "/memories/f", "insert_line": 0}),
            ("insert", {"path": "/memories/f", "insert_line": "top", "insert_text": "y"}), (None, {"path": "/memories/f"}),
            ("str_replace", {"path": "/memories/f"}), ("format", {"path": "/memories/f"}),
            ("rename", {"old_path": "/memories/f"}), ("rename", {"new_path": "/memories/g"})]:
        files.refuses(command, **arguments)

    assert files.does("view", path="/memories") == before
    assert files.text("/memories/f") == "x"


def test_arguments_that_another_command_has_may_be_there_and_null(files):
    dress = dict.fromkeys(ARGUMENTS[1:])

    assert files.does("create", **(dress | {"path": "/memories/f", "file_text": "a\n"})) == \
        "File created successfully at: /memories/f"
    assert files.does("view", **(dress | {"path": "/memories/f"})).endswith("\n     1\ta\n     2\t")
    assert files.does("insert", **(dress | {"path": "/memories/f", "insert_line": "1", "insert_text": "b"})) == \
        "The file /memories/f has been edited."
    assert files.does("rename", **(dress | {"old_path": "/memories/f", "new_path": "/memories/g"})) == \
        "Successfully renamed /memories/f to /memories/g"
    assert files.text("/memories/g") == "a\nb\n"


# ---- paths --------------------------------------------------------------------------------------
def every_way_to_name(path):
    """Each command with this path, wherever it takes one."""
    return [("view", {"path": path}), ("create", {"path": path, "file_text": "escaped"}), ("delete", {"path": path}),
            ("str_replace", {"path": path, "old_str": "mine", "new_str": "escaped"}),
            ("insert", {"path": path, "insert_line": 0, "insert_text": "escaped"}),
            ("rename", {"old_path": path, "new_path": "/memories/escaped"}),
            ("rename", {"old_path": "/memories/f", "new_path": path})]


def canary(files):
    for path in ("f", "a/f", "a/b/f", "memories/f"):
        files.create(f"/memories/{path}", f"mine: {path}")
    return files.does("view", path="/memories")


def test_a_path_outside_is_refused(files):
    before = canary(files)

    for path in OUTSIDE:
        for command, arguments in every_way_to_name(path):
            told = files.refuses(command, **arguments)
            # A blank says nothing, so that it may be told as missing.
            assert told == NOT_INSIDE.format(path) or path == ""

    assert files.does("view", path="/memories") == before
    assert files.text("/memories/f") == "mine: f"


def test_a_path_that_goes_up_is_refused_wherever_it_would_end(files):
    before = canary(files)

    for path in (f"/memories/{name}" for name in UPWARDS):
        for command, arguments in every_way_to_name(path):
            assert files.refuses(command, **arguments) == NO_WAY_OUT.format(path)

    assert files.does("view", path="/memories") == before
    assert files.text("/memories/f") == "mine: f"


def test_a_null_in_a_path_is_refused(files):
    before = canary(files)

    for path in ("/memories/f\0", "/memories/\0", "/memories/f\0.txt", "/memories\0/f", "/memories/../\0", "\0/memories/f"):
        for command, arguments in every_way_to_name(path):
            files.refuses(command, **arguments)

    assert files.does("view", path="/memories") == before
    assert files.text("/memories/f") == "mine: f"


def test_a_strange_name_is_refused_or_is_a_file_of_its_own(files):
    canary(files)

    kept = [name for name in STRANGE
            if not files.ask("create", path=f"/memories/strange/{name}", file_text=f"text of {name}").is_error]

    assert {"A", "f"} <= set(kept)
    # What could not be made because it passed for another file would show that file.
    for name in set(STRANGE) - set(kept):
        files.refuses("view", path=f"/memories/strange/{name}")
    for name in kept:
        assert files.text(f"/memories/strange/{name}") == f"text of {name}"
    # A name is one line of a listing, or it could pass for another file.
    listed = files.does("view", path="/memories/strange").split("\n")[2:]
    assert len(listed) == len([name for name in kept if not name.startswith(".")])
    for name in kept:
        assert files.does("delete", path=f"/memories/strange/{name}") == f"Successfully deleted /memories/strange/{name}"
    assert files.text("/memories/f") == "mine: f" and files.text("/memories/a/f") == "mine: a/f"


def test_a_path_has_one_name_however_it_is_typed(files):
    files.create("/memories//a/./f", "x")

    assert files.text("/memories/a/f") == files.text("/memories/a//f") == files.text("/memories/./a/f/") == "x"
    assert files.refuses("create", path="/memories/a/f/", file_text="y") == "Error: File /memories/a/f/ already exists"
    assert files.does("delete", path="/memories/a/") == "Successfully deleted /memories/a/"
    assert files.listing() == []
    assert files.refuses("delete", path="/memories//.") == "Cannot delete the /memories directory itself"


def test_what_a_file_says_is_not_followed(files):
    for name, text in [("link", "/etc/passwd"), ("up", "../../etc"), ("uri", "file:///etc/passwd")]:
        files.create(f"/memories/{name}", text)

    assert files.text("/memories/link") == "/etc/passwd"
    for path in ("link/passwd", "up/passwd", "uri/x"):
        assert files.is_missing(f"/memories/{path}")
        files.refuses("create", path=f"/memories/{path}", file_text="x")


# ---- texts --------------------------------------------------------------------------------------
def test_a_text_comes_back_byte_for_byte(files):
    for number, text in enumerate(TEXTS):
        path, moved = f"/memories/{number}", f"/memories/moved/{number}"
        files.create(path, text)
        assert files.text(path) == text

        files.does("rename", old_path=path, new_path=moved)
        assert files.text(moved) == text

        files.does("insert", path=moved, insert_line=0, insert_text="<mark>")
        assert files.text(moved) == "<mark>\n" + text
        files.does("str_replace", path=moved, old_str="<mark>\n", new_str="")
        assert files.text(moved) == text


def test_odd_texts_are_found_and_put_in_verbatim(files):
    for number, text in enumerate(["\0", "\r\n", " ", "\u2028", "\U0001f9e0", "$1", "\\1", "\"'`", "\u202e"]):
        path, replaced = f"/memories/{number}", f"[{text}{text}]"
        files.create(path, f"<{text}>\nend")

        files.does("str_replace", path=path, old_str=f"<{text}>", new_str=replaced)
        files.does("insert", path=path, insert_line=len(replaced.split("\n")), insert_text=f"({text})")

        assert files.text(path) == f"{replaced}\n({text})\nend"


def test_files_outlive_a_restart(files):
    for number, text in enumerate(TEXTS):
        files.create(f"/memories/{number}/f", text)
    before = files.does("view", path="/memories")

    files.plain.server.stop()
    files.plain.server.start()

    assert files.does("view", path="/memories") == before
    assert [files.text(f"/memories/{number}/f") for number in range(len(TEXTS))] == TEXTS


def test_a_user_has_files_of_his_own(home):
    keys = {"ann": "key-of-ann-0123456789abcdefghij-klmnop", "ben": "key-of-ben-0123456789abcdefghij-klmnop"}
    server = home.server(TOOLSETS="files", MCP_API_KEYS=",".join(f"{name}:{key}" for name, key in keys.items()))
    ann, ben = (Files(server, key) for key in keys.values())
    ann.create("/memories/f", "of Ann")

    assert ben.listing() == []
    assert ben.is_missing("/memories/f")
    assert ben.refuses("delete", path="/memories/f") == "Error: The path /memories/f does not exist"
    ben.create("/memories/f", "of Ben")
    assert ben.does("delete", path="/memories/f") == "Successfully deleted /memories/f"
    assert ann.text("/memories/f") == "of Ann"


def test_edits_at_once_lose_none(files):
    files.create("/memories/f")
    texts = [f"line {n}" for n in range(16)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: files.does("insert", path="/memories/f", insert_line=0, insert_text=text), texts))
        made = list(pool.map(lambda text: files.ask("create", path="/memories/once", file_text=text), texts))

    assert sorted(files.text("/memories/f").split("\n")) == sorted([*texts, ""])
    assert [m.is_error for m in made].count(False) == 1
