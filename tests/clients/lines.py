"""A program that speaks JSON-RPC over its standard input and output, one message a line. Any thread may ask."""

import itertools
import json
import os
import queue
import subprocess
import tempfile
import threading


class Ended(Exception):
    """The program ended before it answered."""


class Unanswered(Exception):
    """The program lives, and does not answer."""


class LineProcess:
    def __init__(self, command, env, cwd, patience):
        self.patience = patience
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=env, cwd=cwd, text=True, encoding="utf-8",
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        self.writing, self.lock = threading.Lock(), threading.Lock()
        self.numbers = itertools.count(1)
        # Who waits for which answer; None as soon as nothing more can come.
        self.waiting = {}
        self.nonsense = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                self.nonsense = line
                break
            # What has a method is a request or a notification of the program; nobody here waits for one.
            if "method" not in message:
                with self.lock:
                    box = self.waiting.pop(message.get("id"), None)
                if box:
                    box.put(message)
        with self.lock:
            left, self.waiting = self.waiting, None
        for box in left.values():
            box.put(None)

    def ask(self, method, params):
        """The whole answer, whether a result or an error."""
        box = queue.SimpleQueue()
        with self.lock:
            if self.waiting is None:
                raise Ended(self.last_words())
            number = next(self.numbers)
            self.waiting[number] = box
        self.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        try:
            answer = box.get(timeout=self.patience)
        except queue.Empty:
            raise Unanswered(f"{method} was not answered within {self.patience} s: {self.last_words()}") from None
        if answer is None:
            raise Ended(self.last_words())
        return answer

    def say(self, message):
        try:
            with self.writing:
                self.process.stdin.write(json.dumps(message) + "\n")
                self.process.stdin.flush()
        except (OSError, ValueError):
            raise Ended(self.last_words()) from None

    def last_words(self):
        if self.nonsense is not None:
            return f"on standard output: {self.nonsense[:400]!r}"
        # The program writes at the place where this file stands, so that it must not be moved.
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), 600, max(0, size - 600)).decode(errors="replace")

    def close(self):
        """Closes its standard input, as a client that ends does, and gives the exit code."""
        with self.writing:
            self.process.stdin.close()
        return self.process.wait(self.patience)

    def signal(self, number):
        self.process.send_signal(number)
        return self.process.wait(self.patience)

    def remove(self):
        """Leaves nothing of it, whatever state it is in."""
        self.process.kill()
        self.process.wait()
        self.reader.join(self.patience)
        self.process.stdout.close()
        self.errors.close()
        try:
            self.process.stdin.close()
        except OSError:
            # What was still to be written has nobody left to read it.
            pass
