// The room by Channels: a socket to Daphne, history over HTTP, and what waits is sent again under its key.

import { onWritten, room, settings, show, state } from "./view.js";

const waiting = new Map();
let last = null;
let socket;
let attempt = 0;

/** Everything after the last seq, from the copy that Django completes; again when the layer dropped something. */
async function fill() {
  const query = last === null ? "" : `?after=${last}`;
  const answer = await fetch(settings.messages + query);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const { messages, seq } = await answer.json();
  messages.forEach(show);
  last = Math.max(last ?? 0, seq);
}

async function take(told) {
  if (told.room !== room) return;
  if (told.seq && last !== null && told.seq > last + 1) await fill();
  if (told.seq) last = Math.max(last ?? 0, told.seq);
  if (told.type === "message") show(told);
}

function send(key, body) {
  waiting.set(key, body);
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "send", room, body, key }));
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/chat/`);
  socket.onmessage = async ({ data }) => {
    const told = JSON.parse(data);
    if (told.type === "welcome") {
      attempt = 0;
      await fill();
      state("live");
      for (const [key, body] of waiting) send(key, body);
    } else if (told.type === "ack" || (told.type === "error" && !told.again)) {
      waiting.delete(told.key);
      if (told.type === "error") state(told.message);
    } else if (told.type === "error") {
      setTimeout(() => waiting.has(told.key) && send(told.key, waiting.get(told.key)), 1000);
    } else {
      await take(told);
    }
  };
  socket.onclose = ({ code }) => {
    state(`closed (${code})`);
    setTimeout(connect, Math.random() * Math.min(10_000, 500 * 2 ** attempt++));
  };
}

onWritten((body) => send(crypto.randomUUID(), body));
connect();
