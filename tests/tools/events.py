"""Reads so many events of a URL with httpx-sse, and prints each as a line of JSON."""

import json
import sys

import httpx
from httpx_sse import connect_sse

url, count = sys.argv[1], int(sys.argv[2])
with httpx.Client(timeout=60) as client, connect_sse(client, "GET", url) as source:
    for event in source.iter_sse():
        # an id alone is an event to this reader
        if not event.data:
            continue
        print(json.dumps([event.id, event.event, event.data]), flush=True)
        count -= 1
        if count == 0:
            break
