"""Moorline's raw protocol: python python_raw.py ws://127.0.0.1:8000/ws TOKEN ROOM TEXT (needs `pip install websockets`).
Sends TEXT to ROOM once, prints each event as a line of JSON, and goes on after a cut from where it was. Ctrl-C ends it."""
import asyncio, json, sys, uuid, websockets

url, token, room, text = sys.argv[1:5]
message = {"type": "send", "id": 1, "room": room, "cid": str(uuid.uuid4()), "body": text}  # One cid: stored once.
state = {"position": None, "done": False}  # The last event seen: the server goes on after it.

async def session(ws):
    say = lambda command: ws.send(json.dumps(command))
    await say({"type": "hello", "token": token, "resume": {room: state["position"]} if state["position"] else {}})
    async for frame in ws:
        got, position = json.loads(frame), state["position"]
        if got["type"] == "welcome":
            mine = next((each for each in got["rooms"] if each["id"] == room), None)
            state["position"] = position or mine and {"epoch": mine["epoch"], "seq": mine["head"]}
            state["done"] or await say(message)
        elif got["type"] == "ping":
            await say({"type": "pong"})
        elif got["type"] == "reset" and got["room"] == room:  # Too far behind: `history` has what lies between.
            state["position"] = {"epoch": got["epoch"], "seq": got["head"]} if "epoch" in got else None
        elif got["type"] == "event" and got["room"] == room and (not position or got["seq"] > position["seq"]):
            state["position"] = {"epoch": got["epoch"], "seq": got["seq"], "check": got["id"][-8:]}
            print(json.dumps(got), flush=True)
        elif got.get("id") == 1:  # The ack, or a refusal.
            state["done"] = not got.get("retry", False)
            print(json.dumps(got), flush=True)
            if not state["done"]:
                await asyncio.sleep(got["retry_after_ms"] / 1000)
                await say(message)

async def main():
    async for ws in websockets.connect(url):  # Connects again after a cut, with backoff.
        try:
            await session(ws)
        except websockets.ConnectionClosed as cut:
            if cut.rcvd and 4400 <= cut.rcvd.code < 4420:
                return print(f"closed: {cut}", file=sys.stderr)  # Not as we are.
asyncio.run(main())
