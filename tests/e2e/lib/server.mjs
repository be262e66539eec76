/**
 * The real server as a process: the release binary, a free port, a data folder of its own.
 *
 * Killing it is `kill -9`; a restart has the same port and the same data, as after a crash.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { until } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** The server's own variables come from its arguments here, whatever the caller has set. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith("MOORLINE_")),
);

/** The binary under test. */
export const BINARY = resolve(ROOT, process.env.MOORLINE_BIN ?? "target/release/moorline");

/** Where logs, histories and pictures of failed runs go. */
export const RESULTS = join(ROOT, "tests/e2e/results");

const START_MS = 20_000;

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = createServer();
  probe.listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, "close");
  return port;
}

export class Server {
  /** How often it was killed. */
  kills = 0;
  #process = null;
  #args;
  #log;

  /** @param {{port: number, data: string, args: string[], log: string}} parts */
  constructor({ port, data, args, log }) {
    this.port = port;
    this.data = data;
    this.#args = ["serve", "--port", String(port), "--data-dir", data, ...args];
    this.#log = createWriteStream(log);
  }

  /**
   * Starts a server with an empty data folder.
   *
   * @param {string} name of its log in the results
   * @param {string[]} args more arguments of `moorline serve`
   */
  static async start(name, args = []) {
    if (!existsSync(BINARY)) {
      throw new Error(`there is no ${BINARY}: run \`cargo build --release\` or set MOORLINE_BIN`);
    }
    mkdirSync(RESULTS, { recursive: true });
    const data = mkdtempSync(join(tmpdir(), "moorline-e2e-"));
    const log = join(RESULTS, `${name}.server.log`);
    const server = new Server({ port: await freePort(), data, args, log });
    await server.restart();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the process, which must not run, and waits until it is ready. */
  async restart() {
    this.#process = spawn(BINARY, this.#args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: ENVIRONMENT,
    });
    this.#process.stdout.pipe(this.#log, { end: false });
    this.#process.stderr.pipe(this.#log, { end: false });
    await until("the server is ready", () => this.#isReady(), START_MS);
  }

  async #isReady() {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) {
      throw new Error(`the server ended with ${exitCode ?? signalCode}, see ${this.#log.path}`);
    }
    const answer = await fetch(`${this.url}/readyz`).catch(() => null);
    return answer?.ok;
  }

  /** The same server with more arguments, which win over those before. */
  async restartWith(args) {
    await this.kill();
    for (let n = 0; n < args.length; n += 2) {
      const known = this.#args.indexOf(args[n]);
      if (known < 0) this.#args.push(args[n], args[n + 1]);
      else this.#args[known + 1] = args[n + 1];
    }
    await this.restart();
  }

  /** How many connections are open, as the server counts them. */
  async connections() {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const counts = [...text.matchAll(/^moorline_connections\{.*\} (\d+)/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** `kill -9`, and waits until it is gone. */
  async kill() {
    this.kills += 1;
    await this.#end("SIGKILL");
  }

  /** SIGTERM: the server drains and exits by itself. */
  async drain() {
    await this.#end("SIGTERM");
  }

  async #end(signal) {
    const process = this.#process;
    if (process.exitCode !== null || process.signalCode !== null) return;
    const gone = once(process, "exit");
    process.kill(signal);
    await gone;
  }

  /** Ends the process and removes its data. */
  async close() {
    await this.#end("SIGKILL");
    this.#log.end();
    rmSync(this.data, { recursive: true, force: true });
  }
}

/**
 * Asks the server's checker about a recorded history.
 *
 * @param {string} file
 * @returns {{holds: boolean, said: string}}
 */
export function verify(file) {
  const ran = spawnSync(BINARY, ["soak", "verify", file], { encoding: "utf8" });
  if (ran.error) throw ran.error;
  return { holds: ran.status === 0, said: `${ran.stdout}${ran.stderr}`.trim() };
}
