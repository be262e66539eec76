// The room by Moorline: the client protocol by hand, for its shortness. A page of yours uses the SDK, which also keeps
// unsent messages over a reload and falls back where WebSockets are blocked.

import { onWritten, room, settings, show, state } from "./view.js";

/** What was written and has not come back as an event, by cid. */
const waiting = new Map();
const names = new Map();
let position = null;
/** Live events that wait for older ones to be read; null while nothing is missing. */
let early = [];
let socket;
let attempt = 0;
let number = 10;

const say = (command) => socket.send(JSON.stringify(command));
const read = () => say({ type: "history", id: 1, room, after: position?.seq ?? 0, limit: 200 });

function send(cid, body) {
  const id = number++;
  waiting.set(cid, { body, id });
  if (socket?.readyState === WebSocket.OPEN && !early) say({ type: "send", id, room, cid, body });
}

const sendAll = () => waiting.forEach(({ body }, cid) => send(cid, body));

function apply(event) {
  if (position && event.seq <= position.seq) return;
  position = { epoch: event.epoch, seq: event.seq, check: event.id.slice(-8) };
  waiting.delete(event.cid);
  if (event.kind === "message") show({ ...event, name: names.get(event.from) ?? event.from });
}

const frames = {
  welcome() {
    attempt = 0;
    state("live");
    // What was missed follows a resume by itself; the first time it has to be asked for.
    if (!position) return read();
    early = null;
    sendAll();
  },
  page({ events, more }) {
    events.forEach(apply);
    if (more) return read();
    const later = early ?? [];
    early = null;
    later.forEach(frames.event);
    sendAll();
  },
  event(event) {
    if (event.room !== room) return;
    if (early) return early.push(event);
    if (event.seq <= (position?.seq ?? 0) + 1) return apply(event);
    early = [event];
    read();
  },
  reset({ room: whose }) {
    if (whose !== room) return;
    [position, early] = [null, []];
    document.querySelector("#log").replaceChildren();
    read();
  },
  ping: () => say({ type: "pong" }),
  error({ id, message, retry, retry_after_ms: after }) {
    for (const [cid, one] of waiting) {
      if (one.id !== id) continue;
      if (retry) setTimeout(() => waiting.has(cid) && send(cid, one.body), after ?? 1000);
      else waiting.delete(cid);
    }
    state(message);
  },
};

/** Without a token Moorline goes by Django's session, which the browser shows it as a cookie. */
async function freshToken() {
  if (!settings.token) return undefined;
  const answer = await fetch(settings.token);
  return (await answer.json()).token;
}

async function connect() {
  const token = await freshToken();
  early = [];
  socket = new WebSocket(`${settings.moorline.replace(/^http/, "ws")}/ws`, "moorline.v1");
  const resume = position ? { [room]: position } : undefined;
  socket.onopen = () => say({ type: "hello", token, keepalive: true, resume });
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    for (const { id, name } of frame.people ?? []) names.set(id, name);
    frames[frame.type]?.(frame);
  };
  socket.onclose = ({ code }) => {
    state(`closed (${code})`);
    setTimeout(retry, Math.random() * Math.min(10_000, 500 * 2 ** attempt++));
  };
}

const retry = () => connect().catch(() => setTimeout(retry, 2000));

onWritten((body) => send(crypto.randomUUID(), body));
retry();
