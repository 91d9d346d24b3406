"""No client at all: one request a question, for arguments that a client of the SDKs would not let through."""

import json

from callers import result
from conftest import KEY

MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}


class Plain:
    def __init__(self, server, key=KEY, era="legacy"):
        self.server, self.key, self.era = server, key, era

    def ask(self, method, params):
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json, text/event-stream"}
        if self.era == "modern":
            params = {**params, "_meta": META}
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
            headers |= {"Mcp-Name": params["name"]} if "name" in params else {}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = json.loads(self.server.request("POST", "/mcp", body, headers)[2])
        assert "result" in answer, answer
        return answer["result"]

    def tools(self):
        return {t["name"]: t for t in self.ask("tools/list", {})["tools"]}

    def call(self, name, arguments):
        return result(self.ask("tools/call", {"name": name, "arguments": arguments}))
