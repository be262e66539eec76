"""A Python script over Moorline's HTTP API, with the standard library alone.

    python chat.py say ops shop "Order 4711 is paid." --key order-4711
    python chat.py follow ops --after 0

`say` posts as a person, once: with the same key it may be repeated, after a crash too. `follow` prints each event of the room
as a line of JSON, from a position on, and waits for more. Needs MOORLINE_API_KEY; the server's address is in MOORLINE_URL.
"""
import argparse, json, os, sys, time, urllib.error, urllib.parse, urllib.request, uuid

SERVER = os.environ.get("MOORLINE_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("MOORLINE_API_KEY", "")


def ask(method, path, body=None, key=None):
    """One request, repeated while the server is away or asks to wait. A refusal ends the script."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(10):
        request = urllib.request.Request(f"{SERVER}/api/v1{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            error = json.load(refused)["error"]
            if refused.code != 429 and refused.code < 500:
                sys.exit(f"{method} {path}: {error['code']}: {error['message']}")
            wait = error.get("retry_after_ms", 1000) / 1000
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            wait = min(0.25 * 2**attempt, 5)  # Whether it was carried out is not known: with the key, again does no harm.
        time.sleep(wait)
    sys.exit(f"{SERVER} does not answer.")


def say(room, person, text, key):
    """Makes the person and the room where they are not there yet, and posts."""
    room, quoted = urllib.parse.quote(room), urllib.parse.quote(person, safe="")
    ask("PUT", f"/users/{quoted}", {"name": person})
    ask("PUT", f"/rooms/{room}/members/{quoted}")
    return ask("POST", f"/rooms/{room}/messages", {"from": person, "body": text}, key or str(uuid.uuid4()))


def follow(room, after):
    """Events from a position on, in order, without an end."""
    while True:
        page = ask("GET", f"/rooms/{urllib.parse.quote(room)}/events?after={after}&limit=1000")
        for event in page["events"]:
            after = event["seq"]
            yield event
        if not page["more"]:
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description="Says something in a room, or follows it.")
    commands = parser.add_subparsers(dest="command", required=True)
    saying = commands.add_parser("say")
    for name in ["room", "person", "text"]:
        saying.add_argument(name)
    saying.add_argument("--key", help="the same key is stored once; one is made where it is left out")
    following = commands.add_parser("follow")
    following.add_argument("room")
    following.add_argument("--after", type=int, default=0, help="the seq of the last event that is known")
    args = parser.parse_args()
    if args.command == "say":
        print(json.dumps(say(args.room, args.person, args.text, args.key)))
        return
    for event in follow(args.room, args.after):
        print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
