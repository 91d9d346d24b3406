"""A model on loopback: what an assistant asks it is remembered, and it answers what a test told it to."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ModelStub:
    """Speaks as much of the Messages API of Anthropic as Claude Code needs."""

    def __init__(self):
        self.asked, self.answers = [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def says(self, text):
        """The next answer that is not told yet."""
        self.answers.append({"type": "text", "text": text})

    def calls(self, tool, arguments):
        """The next answer is a call of the tool whose name ends so."""
        self.answers.append({"type": "tool_use", "id": f"toolu_{len(self.answers)}", "name": tool, "input": arguments})

    def seen(self):
        """What the model was shown since this was last asked, tools apart."""
        shown = [json.dumps([body.get("system"), body["messages"]], ensure_ascii=False) for body in self.asked]
        self.asked.clear()
        return "\n".join(shown)

    def answer(self, body):
        # What is asked without a tool is a title or a summary, and nothing that a test looks at.
        names = [tool["name"] for tool in body.get("tools", [])]
        if not names:
            return {"type": "text", "text": "something"}
        self.asked.append(body)
        block = self.answers.pop(0) if self.answers else {"type": "text", "text": "That is all."}
        if block["type"] == "tool_use":
            block["name"] = next(name for name in names if name.endswith(block["name"]))
        return block


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send("application/json", b"{}", 404)

    def do_HEAD(self):
        self.send("application/json", b"", 200)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if "count_tokens" in self.path:
            return self.send("application/json", b'{"input_tokens": 10}')
        if "/messages" not in self.path:
            return self.send("application/json", b"{}", 404)
        block = self.stub.answer(body)
        reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", "stub"),
                   "content": [block], "stop_reason": reason, "stop_sequence": None,
                   "usage": {"input_tokens": 10, "output_tokens": 3}}
        if body.get("stream"):
            return self.send("text/event-stream", "".join(events(message, block, reason)).encode())
        return self.send("application/json", json.dumps(message).encode())

    def send(self, kind, body, status=200):
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def events(message, block, reason):
    """A message as it is streamed."""
    if block["type"] == "tool_use":
        start = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    for event in [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
