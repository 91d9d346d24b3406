#!/usr/bin/env python3
"""How long it takes to store memories through each face, beside the core tool, in turns against one server each.

Starts the server that is named, with a data directory of its own, and stores --count memories in rounds of --round through
each face over --connections keep-alive connections. Prints the median of the rounds' rates, and each face's time as a
multiple of that of `add_memory`. Standard library only.
"""

import argparse
import http.client
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import threading
import time

KEY = "faces-key-0123456789abcdef0123456789"


def tool(name, arguments):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return "/mcp", body


FACES = {
    "core: add_memory": lambda text: tool("add_memory", {"content": text}),
    "REST /api/v1/memories": lambda text: ("/api/v1/memories", {"content": text}),
    "memoryos: add_memory": lambda text: tool("add_memory", {"user_input": text, "agent_response": "noted", "meta_data": {"a": 1}}),
    "memoryos REST": lambda text: ("/api/add_memory", {"user_input": text, "agent_response": "noted"}),
    "ai-memory: store_memory": lambda text: tool("store_memory", {"content": text, "title": text[:40]}),
    "ai-memory: create_task": lambda text: tool("create_task", {"title": text}),
    "ai-memory REST": lambda text: ("/api/memory/store", {"content": text, "title": text[:40]}),
    "remember: remember_user_info": lambda text: tool("remember_user_info", {"information_type": "note", "information": text}),
    "token-file REST": lambda text: ("/memories", {"user_id": "default", "information_type": "note", "information": text}),
    "mem0: add_coding_preference": lambda text: tool("add_coding_preference", {"text": text}),
    "mem0 REST": lambda text: ("/memories", {"user_id": "default", "messages": [{"role": "user", "content": text}]}),
    "mem0 client": lambda text: ("/v3/memories/add/", {"messages": [{"role": "user", "content": text}]}),
    "graph: create_entities": lambda text: tool("create_entities", {"entities": [{"name": text, "entityType": "note", "observations": [text]}]}),
    "files: memory create": lambda text: tool("memory", {"command": "create", "path": "/memories/" + text.replace(" ", "-"), "file_text": text}),
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One server with a data directory of its own, and everything through one face."""

    def __init__(self, binary, folder):
        self.port = free_port()
        env = {"PATH": os.environ["PATH"], "HOME": folder, "DATA_DIR": folder + "/data", "PORT": str(self.port),
               "MCP_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "0", "LOG_LEVEL": "error", "EMBEDDING_BUILTIN": "table"}
        self.process = subprocess.Popen([binary, "serve"], env=env, cwd=folder, stdout=subprocess.DEVNULL)
        self.stored = 0
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.02)

    def round(self, face, count, connections):
        """Stores count memories, and returns the seconds that it took."""
        start, first = time.monotonic(), self.stored
        failures = []

        def work(offset):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
            for number in range(first + offset, first + count, connections):
                path, body = face(f"fact number {number} about widget {number * 7919 % 5003}")
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status not in (200, 201) or b'"isError":true' in text:
                    failures.append((answer.status, text[:200]))
                    return

        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise SystemExit(f"failed: {failures[0]}")
        self.stored += count
        return time.monotonic() - start

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("target/release/memoryd"))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--round", type=int, default=500)
    parser.add_argument("--connections", type=int, default=4)
    wanted = parser.parse_args()
    binary = str(wanted.bin.resolve())
    times = {name: [] for name in FACES}
    with tempfile.TemporaryDirectory(prefix="memoryd-faces-") as folder:
        servers = {}
        for number, name in enumerate(FACES):
            home = f"{folder}/{number}"
            os.mkdir(home)
            servers[name] = Server(binary, home)
        try:
            for _ in range(wanted.count // wanted.round):
                for name, face in FACES.items():
                    times[name].append(servers[name].round(face, wanted.round, wanted.connections))
        finally:
            for server in servers.values():
                server.stop()
    core = next(iter(FACES))
    for name, taken in times.items():
        ratio = statistics.median(one / base for one, base in zip(taken, times[core]))
        rate = wanted.round / statistics.median(taken)
        print(f"{name:32} {rate:8.0f}/s   {ratio:5.2f} of core's time")


if __name__ == "__main__":
    main()
