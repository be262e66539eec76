/**
 * Frames over a WebSocket. Used by the connection, one object a socket. Says "closed" exactly once, and at
 * once when it is we who close: a browser waits long for the handshake of a peer that is gone.
 */
import type { Environment } from "../env.js";
import type { Transport, TransportEvents } from "./transport.js";

const SUBPROTOCOL = "moorline.v1";

/** Opens a socket. */
export function openWebSocket(env: Environment, url: string, events: TransportEvents): Transport {
  const socket = env.openSocket(url, SUBPROTOCOL);
  const end = (code: number, reason: string, clean: boolean): void => {
    if (!socket.onclose) return;
    // What a socket says after this is of no interest; `onerror` stays, since a bare error may be thrown otherwise.
    socket.onopen = socket.onmessage = socket.onclose = null;
    events.closed(code, reason, clean);
  };
  socket.onmessage = ({ data }: { data: unknown }) => typeof data === "string" && events.frame(data);
  socket.onclose = ({ code, reason, wasClean }: CloseEvent) => end(code, String(reason), wasClean);
  socket.onerror = () => {};
  const transport: Transport = {
    name: "ws",
    send: (text) => socket.onclose && socket.send(text),
    close: (code, reason) => {
      if (socket.onclose) socket.close(code, reason);
      end(code, reason, false);
    },
  };
  socket.onopen = () => events.open(transport);
  return transport;
}
