/**
 * The page of the proofs with many tabs: the SDK and nothing else. It does what the test says, and tells the test at once
 * what the application sends and sees, since a page that crashes tells nothing afterwards.
 */
import { createClient, indexedDbStore } from "./sdk.js";

/** By the clock that all tabs of the machine share. */
const tell = (is, fields = {}) => globalThis.tellTest(JSON.stringify({ at: performance.now(), is, ...fields }));

const { user, url, ...options } = JSON.parse(decodeURIComponent(location.hash.slice(1)));

const getToken = async () => {
  const answer = await fetch(`/token?user=${encodeURIComponent(user)}`);
  return answer.text();
};

/** What only a leader says. */
const LEADERS = new Set(["state", "welcome", "frame", "answer", "refusal", "disconnected", "fault", "pong"]);
/** When this tab last heard its leader, and when it has asked for a sign of life lately. */
let heardAt = performance.now();
let askedAt = [];

/** A channel that notes both, so that a handover is measured by the clock of the tab that waited. */
const openChannel = (name) => {
  const channel = new BroadcastChannel(name);
  channel.addEventListener("message", ({ data }) => LEADERS.has(data.is) && (heardAt = performance.now()));
  const post = channel.postMessage.bind(channel);
  channel.postMessage = (message) => {
    if (message.is === "ping" || message.is === "seek") askedAt = [...askedAt.slice(-30), performance.now()];
    post(message);
  };
  return channel;
};
const environment = navigator.locks ? { openChannel } : {};

const client = createClient({ url, user, getToken, store: indexedDbStore(), environment, ...options });
let leads = false;

const look = () => {
  const snapshot = client.getSnapshot();
  if (snapshot.leads === leads) return;
  leads = snapshot.leads;
  if (leads) tell("leads", { silentMs: performance.now() - heardAt, askedAt: askedAt.filter((at) => at > heardAt - 1_000) });
  else tell("follows");
};

client.subscribe(look);
client.on("state", ({ is, code }) => tell("state", { state: is, code }));
client.on("event", (event) => tell("event", { event }));
client.on("room", ({ room, change, reason }) => change === "reset" && tell("reset", { room, reason }));
client.on("message", ({ message, live }) => client.getSnapshot().leads && tell("notified", { id: message.id, live }));

let next = 1;

globalThis.tab = {
  client,
  start() {
    tell("start");
    client.start();
  },
  /** The rooms as a welcome tells them. */
  rooms: () => client.rooms.getSnapshot().rooms.map(({ id, kind, head, read, role }) => ({ id, kind, head, read, role })),
  snapshot: () => client.getSnapshot(),
  rows: (room) => client.room(room).getSnapshot().items.map(({ seq, body, state, cid }) => ({ seq, body, state, cid })),
  open: (room) => client.room(room).open(),
  typing: (room) => client.rooms.getSnapshot().rooms.find(({ id }) => id === room)?.typing,
  send(room, body) {
    const id = next++;
    const { cid, acked } = client.room(room).send(body);
    tell("send", { id, room, cid, body });
    acked.then(
      ({ seq, id: message, at: stored }) => tell("acked", { id, room, seq, message, stored }),
      ({ code, retryable }) => tell("refused", { id, code, retryable }),
    );
    return cid;
  },
  /** What is in the store of this browser, of whatever tab. */
  stored: async () => {
    const opened = indexedDB.open("moorline");
    const database = await new Promise((resolve, reject) => {
      opened.onsuccess = () => resolve(opened.result);
      opened.onerror = () => reject(opened.error);
    });
    const rows = database.transaction("outbox").objectStore("outbox").getAll();
    const entries = await new Promise((resolve) => (rows.onsuccess = () => resolve(rows.result)));
    database.close();
    return entries.map(({ cid, owner, command: { body } }) => ({ cid, owner, body }));
  },
};
tell("loaded");
