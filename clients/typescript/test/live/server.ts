/**
 * A real Moorline server for the live tests: started on a free port over a folder of its own, killed and started
 * again on the same ones. The path of the program is `MOORLINE_BIN`, else the release build of this repository.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.js";

const built = new URL("../../../../target/release/moorline", import.meta.url).pathname;

/** Where the program is. */
export const program = process.env["MOORLINE_BIN"] ?? built;
/** False where nothing was built: the live tests then say so and are skipped. */
export const isBuilt = existsSync(program);

/** One server over its life of several processes. */
export class Server {
  private process: ChildProcess | undefined;
  private readonly secret = randomBytes(32).toString("hex");
  private readonly apiKey = randomBytes(32).toString("hex");
  private readonly folder = mkdtempSync(join(tmpdir(), "moorline-live-"));
  private readonly log = join(this.folder, "log.txt");
  port = 0;

  static async start(): Promise<Server> {
    const server = new Server();
    server.port = await freePort();
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const output = openSync(this.log, "a");
    const args = ["serve", "--port", String(this.port), "--data-dir", join(this.folder, "data")];
    const env = { ...process.env, MOORLINE_JWT_SECRET: this.secret, MOORLINE_API_KEY: this.apiKey };
    const child = spawn(program, args, { env, stdio: ["ignore", output, output] });
    this.process = child;
    await until("the server is ready", async () => {
      if (child.exitCode !== null) throw new Error(`the server ended: ${readFileSync(this.log, "utf8").slice(-2_000)}`);
      return fetch(`${this.url}/readyz`).then(({ ok }) => ok, () => false);
    });
  }

  /** `SIGKILL` as after a crash, `SIGTERM` drains. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Copies the database of the stopped server, as an operator might. */
  backUp(): void {
    for (const file of databaseFiles(join(this.folder, "data"))) cpSync(join(this.folder, "data", file), join(this.folder, file));
  }

  /** Puts the copy back in place of the database: everything since is gone. */
  restore(): void {
    for (const file of databaseFiles(join(this.folder, "data"))) rmSync(join(this.folder, "data", file));
    for (const file of databaseFiles(this.folder)) cpSync(join(this.folder, file), join(this.folder, "data", file));
  }

  async dispose(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A token for a person of this name, good for an hour. */
  token(sub: string): string {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1_000);
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub, name: sub, iat: now, exp: now + 3_600 })}`;
    return `${text}.${createHmac("sha256", this.secret).update(text).digest("base64url")}`;
  }

  /** The whole log of a room, as the store has it, in pages. */
  async audit(room: string): Promise<{ readonly events: readonly { readonly seq: number }[]; readonly more: boolean }[]> {
    const pages = [];
    for (let after = 0, more = true; more; ) {
      const response = await fetch(`${this.url}/api/v1/rooms/${room}/events?after=${after}&limit=1000`, {
        headers: { authorization: `Bearer ${this.apiKey}` },
      });
      const page = (await response.json()) as Awaited<ReturnType<Server["audit"]>>[number];
      pages.push(page);
      after = page.events.at(-1)?.seq ?? after;
      more = page.more;
    }
    return pages;
  }

  get lastOfLog(): string {
    return readFileSync(this.log, "utf8").slice(-4_000);
  }
}

function databaseFiles(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith("moorline.db"));
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
