/**
 * A network that breaks on command: every connection goes through it, and can be reset, or silently stop to carry.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** One way to a server. */
export class Proxy {
  private readonly pairs = new Set<readonly [Socket, Socket]>();
  private isStalled = false;
  private blocked: readonly string[] = [];
  /** How many requests were refused by `block`. */
  refused = 0;
  private readonly server: Server;

  private constructor(private readonly target: number) {
    this.server = createServer((client) => this.accept(client));
  }

  static async to(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws`;
  }

  /** Requests to these paths are reset from now on, and only these. */
  block(...paths: readonly string[]): void {
    this.blocked = paths;
  }

  /** Resets every connection; new ones are accepted. */
  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** From now on nothing is carried and nothing is said about it, also on new connections. */
  stall(): void {
    this.isStalled = true;
    for (const pair of this.pairs) for (const socket of pair) socket.pause();
  }

  /** New connections work again; what was stalled stays dead, as after a change of network. */
  heal(): void {
    this.isStalled = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private accept(client: Socket): void {
    const server = connect(this.target, "127.0.0.1");
    const pair = [client, server] as const;
    this.pairs.add(pair);
    for (const [from, to] of [pair, [server, client]] as const) {
      from.setNoDelay(true);
      if (this.isStalled) from.pause();
      from.on("data", (bytes: Uint8Array) => {
        // A request begins with a packet of its own.
        const [, path = ""] = /^[A-Z]+ ([^ ?]+)/.exec(Buffer.from(bytes.subarray(0, 64)).toString("latin1")) ?? [];
        if (from === client && this.blocked.includes(path)) {
          this.refused++;
          for (const socket of pair) socket.resetAndDestroy();
        } else to.write(bytes);
      });
      from.on("end", () => to.end());
      // Whatever ends one side ends the other in the same way.
      from.on("error", () => to.resetAndDestroy());
      from.on("close", () => {
        this.pairs.delete(pair);
        to.destroy();
      });
    }
    if (this.isStalled) for (const socket of pair) socket.pause();
  }
}
