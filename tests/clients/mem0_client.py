"""python mem0_client.py CONFIG: the client of mem0, driven by lines of JSON on standard input.

CONFIG {host, api_key, kind}; kind is MemoryClient or AsyncMemoryClient. First line out: {ok: null}. Then, for each
{op, args, kwargs} in, {ok: result} or {error: {type, message}}. Nothing is sent to anybody but `host`.
"""

import asyncio
import inspect
import json
import os
import sys

os.environ["MEM0_TELEMETRY"] = "False"

import mem0  # noqa: E402  it reads the setting when it is imported


def say(message):
    print(json.dumps(message), flush=True)


def answer(loop, work):
    try:
        result = work()
        if inspect.isawaitable(result):
            result = loop.run_until_complete(result)
        return {"ok": result}
    except Exception as e:
        return {"error": {"type": type(e).__name__, "message": str(e)}}


def main():
    config = json.loads(sys.argv[1])
    kind, loop = getattr(mem0, config.pop("kind")), asyncio.new_event_loop()
    made = []
    hello = answer(loop, lambda: made.append(kind(**config)))
    say(hello)
    for line in sys.stdin if made else ():
        asked = json.loads(line)
        say(answer(loop, lambda: getattr(made[0], asked["op"])(*asked["args"], **asked["kwargs"])))


if __name__ == "__main__":
    main()
