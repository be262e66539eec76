/**
 * A real Redis for a test: a free port, a password, nothing kept, gone with the test.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";

import { freePort } from "./server.mjs";
import { until } from "./wait.mjs";

const PASSWORD = "secret-of-the-tests";

export class Redis {
  #process;

  constructor(port, process) {
    this.port = port;
    this.#process = process;
  }

  static async start() {
    const port = await freePort();
    const words = ["--port", port, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "", "--appendonly", "no"];
    const process = spawn("redis-server", words.map(String), { cwd: tmpdir(), stdio: "ignore" });
    const redis = new Redis(port, process);
    await until("Redis answers", () => redis.#answers(), 20_000);
    return redis;
  }

  /** As CHANNEL_LAYERS and --redis-url take it. */
  get url() {
    return `redis://:${PASSWORD}@127.0.0.1:${this.port}/0`;
  }

  async #answers() {
    if (this.#process.exitCode !== null) throw new Error("redis-server ended: is it installed?");
    const socket = createConnection(this.port, "127.0.0.1");
    const answered = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error")]).catch(() => false);
    socket.destroy();
    return answered === true;
  }

  async close() {
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
