"""What schemathesis does not do by itself: it would wait for a minute in a pull, and seldom name what is there."""

import re

import schemathesis

DURATION = re.compile(r"[0-9]+(\.[0-9]+)?s")
IDS = re.compile(r"[A-Za-z0-9._:-]{1,128}")
NAMES = {
    "channel": ["c", "d"],
    "listener": ["automatic", "explicit", "dead"],
}


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    wait = body.get("wait")
    if isinstance(wait, str) and DURATION.fullmatch(wait):
        body["wait"] = "0.01s"
    for field, names in NAMES.items():
        given = body.get(field)
        # what is no id stays as it is
        if isinstance(given, str) and IDS.fullmatch(given) and given not in (".", ".."):
            body[field] = names[len(given) % len(names)]
    return body
