"""What Schemathesis has to know beside the description; run.py names this file in SCHEMATHESIS_HOOKS."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    """A list is written a line an item; whatever else is made up stands there as it is."""
    items = value if isinstance(value, list) else [value]
    return {"data": "".join(item if isinstance(item, str) else json.dumps(item) + "\n" for item in items).encode()}
