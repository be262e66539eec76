/**
 * The server API, as a backend of one's own would use it: for what a test needs there beforehand.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

const KEY = "the-key-of-the-tests-0123456789abcdef";

/** Arguments of `moorline serve` that turn the API on. */
export const WITH_API = ["--api-key", KEY];

export class Backend {
  constructor(url) {
    this.url = url;
  }

  /** What every request of a backend carries. */
  get headers() {
    return { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  }

  async #ask(method, path, body, headers = {}) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...this.headers, ...headers },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  person(id, name) {
    return this.#ask("PUT", `/users/${encodeURIComponent(id)}`, { name });
  }

  room(room) {
    return this.#ask("POST", "/rooms", room);
  }

  add(room, user) {
    return this.#ask("PUT", `/rooms/${room}/members/${encodeURIComponent(user)}`);
  }

  remove(room, user) {
    return this.#ask("DELETE", `/rooms/${room}/members/${encodeURIComponent(user)}`);
  }

  retention(room) {
    return this.#ask("GET", `/rooms/${room}/retention`);
  }

  say(room, from, body) {
    return this.#ask("POST", `/rooms/${room}/messages`, { from, body }, { "idempotency-key": randomUUID() });
  }

  /** A page of the room's log. */
  page(room, after) {
    return this.#ask("GET", `/rooms/${room}/events?after=${after}&limit=1000`);
  }

  /** The first thousand events of the room's log. */
  async events(room) {
    return (await this.page(room, 0)).events;
  }
}
