/**
 * A client in a world of its own, and what it shows of the room `r1`: for the tests of events and resumes (`room.test.ts`) and
 * of timelines (`timeline.test.ts`). `begin` makes a new world before each test.
 */
import type { Client, ClientOptions, TimelineItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import { memoryStore } from "../src/store/memory.js";
import { page, type Peer, room, welcome, World } from "./world.js";

export let world: World;
/** Every message that the client told of, as "seq body". */
export let heard: string[];

/** A new world, in which nobody has heard anything. */
export function begin(): void {
  world = new World();
  heard = [];
}

/** A client that was welcomed with these rooms. */
export async function live(rooms = [room()], options: ClientOptions = {}): Promise<Client> {
  const made = createClient({ environment: world.environment, store: memoryStore(), ...options });
  made.on("message", ({ message: { body, seq } }) => heard.push(`${seq} ${body}`));
  made.start();
  await greeted(rooms);
  return made;
}

/** Lets the newest connection in and welcomes its client. */
export async function greeted(rooms = [room()], more: object = {}): Promise<Peer> {
  await world.settle();
  world.peer.accept();
  world.peer.say(welcome(rooms, more));
  await world.settle();
  return world.peer;
}

/** Cuts the connection and welcomes the next one. */
export async function reconnect(rooms = [room()]): Promise<Peer> {
  world.peer.drop();
  await world.advance(1_000);
  return greeted(rooms);
}

/** Answers all history commands not answered yet, from a log of `head` messages. */
export async function serve(head: number, make?: (seq: number) => object, first = 1): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const command = world.peer.received.find((each) => each["type"] === "history" && !each["answered"]);
    if (!command) return;
    command["answered"] = true;
    world.peer.say(page(command, head, make, first));
    await world.settle();
  }
}

/** The rows of the room `r1` in short: seqs, states, gaps. */
export function shown(client: Client): string {
  const text = (row: TimelineItem): string => {
    if (row.type === "message") return `${row.seq ?? row.state}`;
    return row.type === "gap" ? `[${row.after}-${row.before}]` : row.type;
  };
  return client.room("r1").getSnapshot().items.map(text).join(" ");
}
