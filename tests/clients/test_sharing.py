"""Two stdio clients and a server on one data directory, which come and go in every order while both clients write.

Each of the three starts once a round and ends once: a client when its standard input is closed, by SIGTERM or by
SIGKILL, the server by one of the two signals. There are ninety orders of these six events. Whatever the order, what was
acknowledged is there and seen by the other client, every call of a client that lives is answered, and nobody is refused.
MEMORYD_SHARING_ROUNDS says how many rounds are played: twelve unless it is set; from ninety on, every order is.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import threading

import pytest
from conftest import BINARY
from lines import Ended, LineProcess, Unanswered

ROUNDS = int(os.environ.get("MEMORYD_SHARING_ROUNDS", "12"))
# How long one answer may take; what is written to nobody for a moment waits until somebody has opened the store.
PATIENCE = 45
# How many calls a client has under way at any time, and how many are answered between two events.
WRITERS, STEPS = 2, 4
CLIENTS = ("left", "right")
WAYS = {"left": ["close", signal.SIGTERM, signal.SIGKILL], "right": ["close", signal.SIGTERM, signal.SIGKILL],
        "server": [signal.SIGTERM, signal.SIGKILL]}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "torture", "version": "1"}}


def orders():
    """Every order in which three can start and end, each before it ends, the same at every run."""
    events = [(who, what) for who in (*CLIENTS, "server") for what in ("start", "end")]
    found = [order for order in itertools.permutations(events)
             if all(order.index((who, "start")) < order.index((who, "end")) for who, _ in events)]
    # This seed has, in the first twelve rounds, each way to end before the eyes of another client, with a server and without.
    random.Random(52).shuffle(found)
    return found


class Writer:
    """A stdio client that adds one memory after the other until it ends."""

    def __init__(self, home, name):
        self.name = name
        self.acknowledged = {}
        self.told = threading.Condition()
        self.failure = None
        self.enough, self.doomed = threading.Event(), False
        self.line = LineProcess([str(BINARY), "stdio"], home.env(), home.dir, PATIENCE)
        self.numbers = itertools.count(1)
        self.threads = []

    def begin(self):
        result(self.line.ask("initialize", HELLO))
        self.line.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.threads = [threading.Thread(target=self.write, daemon=True) for _ in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self):
        try:
            while not self.enough.is_set():
                text = f"{self.name} wrote number {next(self.numbers)}"
                known = self.call("add_memory", {"content": text})["id"]
                with self.told:
                    self.acknowledged[known] = text
                    self.told.notify_all()
        except (AssertionError, Ended, Unanswered) as e:
            with self.told:
                # Who is ended by a signal leaves calls without an answer; that is the one excuse.
                if not (isinstance(e, Ended) and self.doomed):
                    self.failure = f"{self.name}: {type(e).__name__}: {e}"
                self.told.notify_all()

    def call(self, tool, arguments):
        answer = result(self.line.ask("tools/call", {"name": tool, "arguments": arguments}))
        assert not answer.get("isError"), f"{tool} was refused: {answer}"
        return answer["structuredContent"]

    def goes_on(self):
        """Waits until some more calls, made after this one, are answered."""
        with self.told:
            before = len(self.acknowledged)
            # Those that were under way when this began do not count.
            arrived = self.told.wait_for(lambda: self.failure or len(self.acknowledged) >= before + WRITERS + STEPS, PATIENCE)
            assert self.failure is None, self.failure
            assert arrived, f"{self.name}: nothing was acknowledged for {PATIENCE} s: {self.line.last_words()}"

    def sees(self, known, text):
        assert self.call("get_memory", {"id": known})["memory"]["content"] == text

    def end(self, way):
        self.enough.set()
        if way == "close":
            self.join()
            code = self.line.close()
            assert code == 0, f"{self.name}: exit {code}: {self.line.last_words()}"
        else:
            self.doomed = True
            self.line.signal(way)
            self.join()
        assert self.failure is None, self.failure

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{self.name}: a call was not answered: {self.line.last_words()}"

    def remove(self):
        self.enough.set()
        self.line.remove()


def result(answer):
    assert "result" in answer, answer
    return answer["result"]


class Round:
    def __init__(self, home, number):
        self.home, self.ways = home, random.Random(number)
        self.writers, self.living, self.server = {}, {}, None

    def carry_out(self, who, what):
        way = self.ways.choice(WAYS[who]) if what == "end" else "as usual"
        # What pytest shows of a round that failed.
        print(f"{who}: {what}, {way}")
        if who == "server":
            self.start_server() if what == "start" else self.end_server(way)
        elif what == "start":
            self.writers[who] = self.living[who] = Writer(self.home, who)
            self.living[who].begin()
        else:
            self.living.pop(who).end(way)

    def start_server(self):
        self.server = self.home.server()

    def end_server(self, way):
        if way == signal.SIGTERM:
            self.server.stop()
        else:
            self.server.proc.kill()
            self.server.proc.wait(PATIENCE)

    def everybody_goes_on(self):
        for writer in self.living.values():
            writer.goes_on()
        for one, other in itertools.permutations(self.living.values(), 2):
            with other.told:
                newest = list(other.acknowledged.items())[-1]
            one.sees(*newest)

    def acknowledged(self):
        return {known: text for writer in self.writers.values() for known, text in writer.acknowledged.items()}

    def remove(self):
        for writer in self.writers.values():
            writer.remove()


def exported(home):
    done = subprocess.run([str(BINARY), "export"], env=home.env(), cwd=home.dir, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-400:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_nothing_is_lost_and_nobody_is_refused_while_all_come_and_go(home, number):
    every = orders()
    round_ = Round(home, number)
    try:
        for who, what in every[number % len(every)]:
            round_.carry_out(who, what)
            round_.everybody_goes_on()
    finally:
        round_.remove()

    kept = exported(home)
    acknowledged = round_.acknowledged()
    texts = [memory["content"] for memory in kept]
    assert {m["id"]: m["content"] for m in kept if m["id"] in acknowledged} == acknowledged
    assert len(texts) == len(set(texts)), "something was added twice"


def test_there_are_ninety_orders():
    assert len(orders()) == 90 and len(set(orders())) == 90
