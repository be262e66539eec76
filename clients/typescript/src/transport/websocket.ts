/**
 * Frames over a WebSocket. Used by the connection, one object a socket. Says "closed" exactly once, and at
 * once when it is we who close: a browser waits long for the handshake of a peer that is gone.
 */
import type { Environment } from "../env.js";

/** What a connection hears of its transport. */
export interface TransportEvents {
  open(): void;
  frame(text: string): void;
  closed(code: number, reason: string, clean: boolean): void;
}

/** A way to the server. */
export interface Transport {
  send(text: string): void;
  /** Closes with 1000 or a code from 3000 to 4999, and reports `closed` before it returns. */
  close(code: number, reason: string): void;
}

const SUBPROTOCOL = "moorline.v1";

/** Opens a socket. */
export function openWebSocket(env: Environment, url: string, events: TransportEvents): Transport {
  const socket = env.openSocket(url, SUBPROTOCOL);
  let open = true;
  const end = (code: number, reason: string, clean: boolean): void => {
    if (!open) return;
    open = false;
    // What a socket says after this is of no interest; `onerror` stays, since a bare error may be thrown otherwise.
    socket.onopen = socket.onmessage = socket.onclose = null;
    events.closed(code, reason, clean);
  };
  socket.onopen = () => events.open();
  socket.onmessage = ({ data }: { data: unknown }) => typeof data === "string" && events.frame(data);
  socket.onclose = ({ code, reason, wasClean }: CloseEvent) => end(code, String(reason), wasClean);
  socket.onerror = () => {};
  return {
    send: (text) => open && socket.send(text),
    close: (code, reason) => {
      if (!open) return;
      socket.close(code, reason);
      end(code, reason, false);
    },
  };
}
