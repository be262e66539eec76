"""A client by Python's `websockets` that offers compression: compressed.py URL BITS. BITS is 15 for what it offers by
itself, or less for smaller windows. The first line that it prints is what was negotiated, each further one a message of
the server; each line that it reads is a message to the server."""

import asyncio
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

url, bits = sys.argv[1], int(sys.argv[2])
small = ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=bits)
options = {} if bits == 15 else {"compression": None, "extensions": [small]}


async def say(ws):
    while line := await asyncio.to_thread(sys.stdin.readline):
        await ws.send(line)


async def main():
    async with websockets.connect(url, **options) as ws:
        print(ws.response.headers.get("Sec-WebSocket-Extensions", ""), flush=True)
        saying = asyncio.create_task(say(ws))
        async for message in ws:
            print(message, flush=True)
        saying.cancel()


asyncio.run(main())
