/**
 * What the connection knows of a way to the server: frames go in and come out, and it says "closed" once. Each transport
 * imitates a WebSocket, so that the code above knows no difference.
 */

/** The ways, the best one first. */
export type TransportName = "ws" | "sse" | "poll";

/** What a connection hears of its transport. */
export interface TransportEvents {
  /** Say hello now. A transport over HTTP may ask for another one later, to open its stream anew. */
  open(transport: Transport): void;
  frame(text: string): void;
  closed(code: number, reason: string, clean: boolean): void;
}

/** A way to the server. */
export interface Transport {
  readonly name: TransportName;
  /** How many positions its hello may hold; what the server told where nothing stands. */
  readonly positions?: number;
  /** True when it was closed because nobody answered a request at all. */
  readonly isUnreachable?: boolean;
  send(text: string): void;
  /** Closes with 1000 or a code from 3000 to 4999, and reports `closed` before it returns. */
  close(code: number, reason: string): void;
}
