// Moorline's raw protocol: node node_raw.mjs ws://127.0.0.1:8000/ws TOKEN ROOM TEXT
// Sends TEXT to ROOM once, prints each event as a line of JSON, and goes on after a cut from where it was.
// Node 22 has WebSocket built in; Node 20 needs `node --experimental-websocket`. A browser runs the same code.
const [url, token, room, text] = process.argv.slice(2);
const message = { type: "send", id: 1, room, cid: crypto.randomUUID(), body: text }; // One cid: stored once.
let [position, done, attempt] = [undefined, false, 0]; // The last event seen: the server goes on after it.

function connect() {
  const socket = new WebSocket(url, "moorline.v1");
  const say = (command) => socket.readyState === 1 && socket.send(JSON.stringify(command));
  socket.onopen = () => say({ type: "hello", token, keepalive: true, resume: position && { [room]: position } });
  socket.onmessage = ({ data }) => {
    const got = JSON.parse(data);
    if (got.type === "welcome") {
      attempt = 0;
      const mine = got.rooms.find(({ id }) => id === room);
      position ??= mine && { epoch: mine.epoch, seq: mine.head };
      if (!done) say(message);
    } else if (got.type === "ping") {
      say({ type: "pong" });
    } else if (got.type === "reset" && got.room === room) { // Too far behind: `history` has what lies between.
      position = got.epoch && { epoch: got.epoch, seq: got.head };
    } else if (got.type === "event" && got.room === room && got.seq > (position?.seq ?? 0)) {
      position = { epoch: got.epoch, seq: got.seq, check: got.id.slice(-8) };
      console.log(JSON.stringify(got));
    } else if (got.id === 1) { // The ack, or a refusal.
      done = !got.retry;
      console.log(JSON.stringify(got));
      if (!done) setTimeout(() => say(message), got.retry_after_ms);
    }
  };
  socket.onclose = ({ code, reason }) => {
    if (code >= 4400 && code < 4420) throw new Error(`closed: ${code} ${reason}`); // Not as we are.
    setTimeout(connect, Math.random() * Math.min(20_000, 500 * 2 ** attempt++));
  };
}
connect();
