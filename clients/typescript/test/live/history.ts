/**
 * Records what clients send and see, in the format of docs/history.md, so that `moorline soak verify` can judge a run.
 * It stands between the SDK and the socket, and therefore sees what went over the wire.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import type { Client } from "../../src/api.js";
import type { SocketLike } from "../../src/env.js";
import { program, type Server } from "./server.js";

/** Writes a line of one connection: what happened, and its fields. */
export type Write = (is: string, fields: object) => void;

/** One run. */
export class History {
  private readonly lines: string[] = [];
  private readonly start = process.hrtime.bigint();
  private readonly rooms = new Set<string>();
  private readonly connections = new Map<string, number>();
  private readonly reloaded = new Set<string>();
  /** What ends a client's series of polls, which by itself has no end, when another connection of it is welcomed. */
  readonly succeeded = new Map<string, () => void>();

  constructor(faults: readonly string[]) {
    this.write("run", { version: 1, faults });
  }

  /** Sockets of a client, recorded under its name. */
  sockets(c: string, user: string): (url: string, protocol: string) => SocketLike {
    return (url, protocol) => new RecordedSocket(new WebSocket(url, protocol), this.connection(c, user));
  }

  /** A new connection of a client: what writes its lines. */
  connection(c: string, user: string): Write {
    const n = (this.connections.get(c) ?? 0) + 1;
    this.connections.set(c, n);
    // Another client object under a name that was there before is a page that was loaded again.
    const fresh = this.reloaded.delete(c) || undefined;
    this.write("open", { c, n, user, fresh });
    return (is, fields) => {
      const { frame } = fields as { frame?: { type: string; room: string } };
      if (frame?.type === "welcome") this.succeeded.get(c)?.();
      if (frame?.type === "ack") this.rooms.add(frame.room);
      this.write(is, { c, n, ...fields });
    };
  }

  /** Another client object under this name begins. */
  begins(c: string): void {
    if (this.connections.has(c)) this.reloaded.add(c);
  }

  /** What the SDK gives to the application. */
  watch(c: string, client: Client): void {
    client.on("event", ({ room, epoch, seq, id }) => {
      this.rooms.add(room);
      this.write("applied", { c, room, epoch, seq, id });
    });
  }

  async fault(name: string, happen: () => void | Promise<void>, end: () => void | Promise<void>): Promise<void> {
    this.write("fault", { name, edge: "begin" });
    await happen();
    await end();
    this.write("fault", { name, edge: "end" });
  }

  /** Reads the store, ends the record and has it judged; gives the verdict, throws if the contract is broken. */
  async verdict(server: Server): Promise<string> {
    for (const room of this.rooms) for (const page of await server.audit(room)) this.write("audit", { page });
    this.write("end", {});
    const file = join(mkdtempSync(join(tmpdir(), "moorline-history-")), "run.jsonl");
    writeFileSync(file, this.lines.join(""));
    try {
      return execFileSync(program, ["soak", "verify", file], { encoding: "utf8" });
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string };
      throw new Error(`${file}\n${stdout ?? ""}${stderr ?? ""}`);
    }
  }

  private write(is: string, fields: object): void {
    const t = Number((process.hrtime.bigint() - this.start) / 1_000n);
    this.lines.push(`${JSON.stringify({ t, is, ...fields })}\n`);
  }
}

class RecordedSocket implements SocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  private isClosed = false;

  constructor(
    private readonly socket: WebSocket,
    private readonly write: Write,
  ) {
    socket.onopen = (event) => this.onopen?.(event as never);
    socket.onerror = (event) => this.onerror?.(event as never);
    socket.onmessage = (event) => {
      if (this.isClosed) return;
      this.write("got", { frame: JSON.parse(String(event.data)) });
      this.onmessage?.(event as never);
    };
    socket.onclose = (event) => {
      this.closed(event.code, "server");
      this.onclose?.(event as never);
    };
  }

  send(text: string): void {
    const { token: _, ...frame } = JSON.parse(text) as Record<string, unknown>;
    this.write("sent", { frame });
    this.socket.send(text);
  }

  close(code?: number, reason?: string): void {
    this.closed(code, "client");
    this.socket.close(code, reason);
  }

  /** Once: a client that gave a connection up hears no more of it. */
  private closed(code: number | undefined, by: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.write("close", { code, by });
  }
}
