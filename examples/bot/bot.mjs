// A bot that answers: MOORLINE_TOKEN=… node bot.mjs http://127.0.0.1:8000 positions.json
// It handles every message of its rooms once, also those that were written while it was not running.
import { createClient, memoryStore } from "@moorline/client";
import { consume } from "@moorline/client/consumer";
import WebSocket from "ws";
import { filePositions } from "./positions.mjs";

const [server, file = "positions.json"] = process.argv.slice(2);
const client = createClient({
  url: `${server}/ws`,
  getToken: () => process.env.MOORLINE_TOKEN,
  store: memoryStore(),
  everyEvent: true,
  environment: { openSocket: (url, protocol) => new WebSocket(url, protocol) },
});

/** What the bot says to a message; nothing to most of them. */
function answerTo(body) {
  if (body === "!ping") return "pong";
  const dice = /^!roll (\d{1,4})$/.exec(body);
  if (dice) return `You rolled ${1 + Math.floor(Math.random() * Number(dice[1]))}.`;
  return undefined;
}

const consumer = consume(client, {
  positions: filePositions(file),
  async handle(event) {
    if (event.kind !== "message" || event.from === client.getSnapshot().user?.id) return;
    const answer = answerTo(event.body);
    // Under the event's own id the answer is stored once, however often the bot dies over it.
    if (answer) await client.room(event.room).send(answer, { replyTo: event.id, cid: event.id }).acked;
  },
  onSkipped: ({ room, reason, next }) => console.warn(`${room}: goes on at ${next} (${reason})`),
  onError: (error) => console.warn(error),
});

client.on("state", ({ is, reason = "" }) => console.log(is, reason));
client.on("state", ({ is }) => is === "closed" && process.exit(1));
client.start();

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await consumer.stop();
    process.exit(0);
  });
}
