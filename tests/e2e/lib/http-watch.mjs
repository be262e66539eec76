/**
 * What a window sends and gets over HTTP instead of a WebSocket, written down as connections beside its sockets, so that
 * the checker judges them alike. Used by `watch.mjs`; it reads Chromium's own record of the network.
 *
 * A stream is a connection, and so is a series of polls from one hello to the next. Commands have others, without a hello:
 * one for each request under way, used again unless its request failed, since what was not answered there never will be.
 */

import { now } from "./watch.mjs";

const micros = (seconds) => Math.round(seconds * 1e6);
const ours = /\/api\/v1\/(stream|poll|commands)$/;

/** Follows the requests of one window. */
export class HttpWatch {
  #requests = new Map();
  #polls = null;
  /** Those of commands whose request was answered. */
  #idle = [];

  /**
   * @param {import("playwright-core").CDPSession} browser
   * @param {{connected: () => object}} watch makes the record of a new connection
   */
  constructor(browser, watch) {
    this.browser = browser;
    this.watch = watch;
    browser.on("Network.requestWillBeSent", (event) => this.#sent(event));
    browser.on("Network.responseReceived", (event) => this.#answered(event));
    browser.on("Network.dataReceived", ({ requestId, timestamp, data }) => data && this.#bytes(requestId, micros(timestamp), data));
    browser.on("Network.loadingFinished", (event) => this.#finished(event));
    browser.on("Network.loadingFailed", (event) => this.#failed(event));
  }

  /** Another document: all that the old one had open is gone. */
  loaded() {
    this.#polls = null;
    this.#idle = [];
  }

  /** Another connection was welcomed: a series of polls ends by that, and by nothing else. */
  welcomed(connection, at) {
    if (!this.#polls || this.#polls === connection) return;
    this.#polls.closedAt ??= at;
    this.#polls = null;
  }

  #sent({ requestId, request, timestamp }) {
    const [, kind] = ours.exec(new URL(request.url).pathname) ?? [];
    if (!kind || request.method !== "POST" || !request.postData) return;
    const at = micros(timestamp);
    const body = JSON.parse(request.postData);
    const connection = this.#connection(kind, body, at);
    this.#requests.set(requestId, { kind, connection, rest: "", decoder: new TextDecoder() });
    const hello = kind === "stream" ? body : { resume: body.positions ?? {} };
    if (kind === "commands") for (const command of body.commands) this.#frame(connection, at, "sent", command);
    else if (kind === "stream" || body.hello) this.#frame(connection, at, "sent", { ...hello, type: "hello" });
  }

  #connection(kind, body, at) {
    if (kind === "stream") return this.watch.connected("sse", at);
    if (kind === "commands") return this.#idle.pop() ?? this.watch.connected("commands", at);
    if (body.hello && this.#polls) this.welcomed(null, at);
    return (this.#polls ??= this.watch.connected("poll", at));
  }

  #frame(connection, at, way, frame) {
    if (connection.closed && at > connection.closedAt) return;
    connection.frames.push({ at, way, text: JSON.stringify(frame) });
    if (way === "received" && frame.type === "welcome") this.welcomed(connection, at);
  }

  async #answered({ requestId }) {
    if (this.#requests.get(requestId)?.kind !== "stream") return;
    // Gone already: its end says the rest.
    const came = await this.browser.send("Network.streamResourceContent", { requestId }).catch(() => null);
    if (came?.bufferedData) this.#bytes(requestId, now(), came.bufferedData);
  }

  #bytes(requestId, at, data) {
    const request = this.#requests.get(requestId);
    if (request?.kind !== "stream") return;
    // What had come before the watching began is told late.
    request.at = Math.max(request.at ?? 0, at);
    const lines = (request.rest + request.decoder.decode(Buffer.from(data, "base64"), { stream: true })).split("\n");
    request.rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ")) this.#frame(request.connection, request.at, "received", JSON.parse(line.slice(6)));
    }
  }

  async #finished({ requestId, timestamp }) {
    const request = this.#requests.get(requestId);
    if (!request) return;
    this.#requests.delete(requestId);
    const at = micros(timestamp);
    if (request.kind === "stream") return this.#end(request, at);
    const got = await this.browser.send("Network.getResponseBody", { requestId }).catch(() => null);
    const answer = got && parsed(got.body);
    const frames = answer?.answers ?? answer?.frames;
    if (!frames) return this.#end(request, at);
    for (const frame of frames) if (frame) this.#frame(request.connection, at, "received", frame);
    if (request.kind === "commands") this.#idle.push(request.connection);
  }

  #failed({ requestId, timestamp }) {
    const request = this.#requests.get(requestId);
    if (!request) return;
    this.#requests.delete(requestId);
    // A poll that is broken off is asked again; its connection goes on.
    if (request.kind !== "poll") this.#end(request, micros(timestamp));
  }

  #end({ kind, connection }, at) {
    if (kind === "poll") return;
    connection.closedAt ??= at;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
