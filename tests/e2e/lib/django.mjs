/**
 * The project of the Channels tutorial as processes: Daphne, the worker, and single commands.
 *
 * Python is that of the tests' own environment, which has Django, Channels, channels_redis and Daphne.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { RESULTS, freePort } from "./server.mjs";
import { until } from "./wait.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROJECT = join(ROOT, "tests/e2e/tutorial");
const PYTHON = process.env.PYTHON ?? join(ROOT, "target/venv/bin/python");

const START_MS = 60_000;

export class Django {
  #environment;
  #log;
  #running = [];

  constructor(port, redisUrl, log) {
    this.port = port;
    this.#environment = { ...process.env, REDIS_URL: redisUrl, PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1" };
    this.#log = log;
  }

  /** Starts Daphne with the tutorial's pages and its WebSocket. */
  static async start(name, redisUrl) {
    mkdirSync(RESULTS, { recursive: true });
    const log = createWriteStream(join(RESULTS, `${name}.django.log`));
    const django = new Django(await freePort(), redisUrl, log);
    const daphne = django.#spawn("-m", "daphne", "-b", "127.0.0.1", "-p", String(django.port), "mysite.asgi:application");
    await until("Daphne answers", async () => {
      if (daphne.exitCode !== null) throw new Error(`Daphne ended, see ${log.path}`);
      return (await fetch(`${django.url}/chat/lobby/`).catch(() => null))?.ok;
    }, START_MS);
    return django;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** `manage.py runworker CHANNEL`, once it listens. */
  async work(channel) {
    const worker = this.#spawn("manage.py", "runworker", channel);
    let said = "";
    worker.stderr.on("data", (bytes) => (said += bytes));
    await until("the worker runs", () => {
      if (worker.exitCode !== null) throw new Error(`the worker ended: ${said}`);
      return said.includes("Running worker");
    }, START_MS);
  }

  /** A `group_send` to a room from a process of its own. */
  async say(room, text, type = "chat.message") {
    const [code] = await once(this.#spawn("manage.py", "say", room, text, "--type", type), "exit");
    if (code !== 0) throw new Error(`manage.py say ended with ${code}, see ${this.#log.path}`);
  }

  #spawn(...words) {
    const child = spawn(PYTHON, words, { cwd: PROJECT, env: this.#environment, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(this.#log, { end: false });
    child.stderr.pipe(this.#log, { end: false });
    this.#running.push(child);
    return child;
  }

  async close() {
    for (const child of this.#running.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    this.#log.end();
  }
}
