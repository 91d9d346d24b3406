"""Databases of other products, written as JSON by the lines of docs/IMPORT.md: real SQLite files with the tables that
their programs make, and open as in these.
"""

import contextlib
import json
import pathlib
import re
import sqlite3
import subprocess
import sys

from conftest import BINARY, ROOT

PAGE = (ROOT / "docs/IMPORT.md").read_text()
SCRIPT = re.search(r"python3 -c '(.*?)' FILE \"QUERY\"", PAGE, re.DOTALL)[1]
QUERIES = re.findall(r"`(SELECT [^`]+)`", PAGE)

MEMORY_SERVICE = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE memories (id INTEGER PRIMARY KEY AUTOINCREMENT, content_hash TEXT UNIQUE NOT NULL, content TEXT NOT NULL,
        tags TEXT, memory_type TEXT, metadata TEXT, created_at REAL, updated_at REAL, created_at_iso TEXT,
        updated_at_iso TEXT, deleted_at REAL DEFAULT NULL);
    INSERT INTO memories (content_hash, content, tags, memory_type, metadata, created_at) VALUES
        ('h1', 'Uses vim, also on the caf\u00e9''s "terminal"', 'editor,untagged,proj:tools', 'decision', '{"n": 1}',
            1714557600.12),
        ('h2', 'Speaks Latin', 'untagged', 'note', NULL, NULL);
    UPDATE memories SET created_at_iso = '2024-05-01T10:00:00Z' WHERE content_hash = 'h2';
"""
CLAUDE_MEM = """
    CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, memory_session_id TEXT NOT NULL, project TEXT NOT NULL,
        text TEXT, type TEXT NOT NULL, title TEXT, subtitle TEXT, facts TEXT, narrative TEXT, concepts TEXT,
        files_read TEXT, files_modified TEXT, prompt_number INTEGER, created_at TEXT NOT NULL, created_at_epoch INTEGER NOT NULL);
    CREATE TABLE session_summaries (id INTEGER PRIMARY KEY AUTOINCREMENT, memory_session_id TEXT UNIQUE NOT NULL,
        project TEXT NOT NULL, request TEXT, investigated TEXT, learned TEXT, completed TEXT, next_steps TEXT,
        files_read TEXT, files_edited TEXT, notes TEXT, created_at TEXT NOT NULL, created_at_epoch INTEGER NOT NULL);
    CREATE TABLE user_prompts (id INTEGER PRIMARY KEY AUTOINCREMENT, content_session_id TEXT NOT NULL,
        prompt_number INTEGER NOT NULL, prompt_text TEXT NOT NULL, created_at TEXT NOT NULL,
        created_at_epoch INTEGER NOT NULL);
    INSERT INTO observations (memory_session_id, project, type, title, facts, narrative, concepts, created_at,
        created_at_epoch) VALUES ('s1', 'garden', 'discovery', 'Roses need sun', '["six hours"]', 'They bloom in June.',
        '["plants"]', '2026-01-02T10:00:00.000Z', 1767348000000);
    INSERT INTO session_summaries (memory_session_id, project, request, learned, created_at, created_at_epoch)
        VALUES ('s1', 'garden', 'Plan the beds', 'Clay drains well', '2026-01-02T11:00:00.000Z', 1767351600000);
    INSERT INTO user_prompts (content_session_id, prompt_number, prompt_text, created_at, created_at_epoch)
        VALUES ('s1', 1, 'How do I plant roses?', '2026-01-02T09:43:20.000Z', 1767347000000);
"""
OPENMEMORY = """
    CREATE TABLE apps (id CHAR(32) PRIMARY KEY, owner_id CHAR(32), name VARCHAR NOT NULL);
    CREATE TABLE memories (id CHAR(32) PRIMARY KEY, user_id CHAR(32), app_id CHAR(32), content VARCHAR NOT NULL,
        vector VARCHAR, metadata JSON, state VARCHAR(8), created_at DATETIME, updated_at DATETIME, archived_at DATETIME,
        deleted_at DATETIME);
    CREATE TABLE categories (id CHAR(32) PRIMARY KEY, name VARCHAR NOT NULL);
    CREATE TABLE memory_categories (memory_id CHAR(32), category_id CHAR(32));
    INSERT INTO apps VALUES ('a1', 'u1', 'cursor');
    INSERT INTO memories (id, user_id, app_id, content, state, created_at) VALUES
        ('m1', 'u1', 'a1', 'Prefers tabs', 'active', '2025-05-01 10:00:00.123456'),
        ('m2', 'u1', 'a1', 'Lived in Rome', 'archived', '2025-05-02 10:00:00');
    INSERT INTO categories VALUES ('c1', 'work'), ('c2', 'style');
    INSERT INTO memory_categories VALUES ('m1', 'c1'), ('m1', 'c2');
"""


@contextlib.contextmanager
def database(home, tables):
    """A database that is open, as in the program to which it belongs."""
    path = pathlib.Path(home.dir) / "some product" / "memory.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as product:
        product.executescript(tables)
        product.commit()
        yield path


def memoryd(home, *arguments):
    return subprocess.run([str(BINARY), *arguments], env=home.env(), cwd=home.dir, capture_output=True, text=True,
                          timeout=60)


def imported(home, path, query, *more):
    """What an import says of what a query gives."""
    written = subprocess.run([sys.executable, "-c", SCRIPT, str(path), query], capture_output=True, timeout=30)
    assert written.returncode == 0, written.stderr
    table = pathlib.Path(home.dir) / "table.json"
    table.write_bytes(written.stdout)
    run = memoryd(home, "import", str(table), "--json", *more)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def memories(home):
    lines = map(json.loads, memoryd(home, "export").stdout.splitlines())
    return {line["content"]: line for line in lines}


def query_of(word):
    [query] = [query for query in QUERIES if query.endswith(word)]
    return query


def test_the_database_of_the_memory_service_comes_by_its_table(home):
    with database(home, MEMORY_SERVICE) as path:
        taken = imported(home, path, query_of("FROM memories"))
        again = imported(home, path, query_of("FROM memories"))

    assert taken["formats"] == {"doobidoo": 1}
    assert again["kinds"]["decision"]["unchanged"] == 1
    found = memories(home)
    vim = found["Uses vim, also on the caf\u00e9's \"terminal\""]
    assert (vim["kind"], vim["project"], vim["tags"]) == ("decision", "tools", ["editor"])
    assert vim["created_at"] == "2024-05-01T10:00:00.120Z"
    assert found["Speaks Latin"]["created_at"] == "2024-05-01T10:00:00.000Z"


def test_the_database_of_claude_mem_comes_by_its_tables(home):
    with database(home, CLAUDE_MEM) as path:
        seen = imported(home, path, query_of("observations"))
        told = imported(home, path, query_of("session_summaries"))
        asked = imported(home, path, query_of("user_prompts"), "--only", "conversations")

    assert [report["formats"] for report in (seen, told, asked)] == [{"claude-mem": 1}] * 3
    found = memories(home)
    assert set(found) == {"They bloom in June.\n- six hours", "Request: Plan the beds\nLearned: Clay drains well",
                          "How do I plant roses?"}
    assert {memory["project"] for memory in found.values() if memory["kind"] == "note"} == {"garden"}
    assert found["How do I plant roses?"]["metadata"]["conversation_id"] == "s1"


def test_the_database_of_openmemory_comes_by_a_query(home):
    with database(home, OPENMEMORY) as path:
        taken = imported(home, path, query_of("a.id = m.app_id"))

    assert taken["formats"] == {"openmemory": 1}
    found = memories(home)
    assert sorted(found["Prefers tabs"]["tags"]) == ["style", "work"]
    assert found["Prefers tabs"]["metadata"]["openmemory"]["app"] == "cursor"
    assert found["Prefers tabs"]["created_at"] == "2025-05-01T10:00:00.123Z"
    assert found["Lived in Rome"]["status"] == "archived"
