import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createClient } from "../src/client.js";
import type { MoorlineError } from "../src/error.js";
import type { Command, ErrorCode, Reply, ResetReason } from "../src/protocol.generated.js";
import { memoryStore } from "../src/store/memory.js";
import { parseFrame, type WireEvent } from "../src/wire.js";
import { EPOCH, room, welcome, World } from "./world.js";

interface Golden {
  readonly name: string;
  readonly direction: "client" | "server";
  readonly frame: Record<string, unknown> & { readonly type: string };
}

const folder = new URL("../../../tests/wire/", import.meta.url);
const goldens = readdirSync(folder)
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Golden);
const server = goldens.filter(({ direction }) => direction === "server");

/** All members of a union, checked by the compiler: none too many, none forgotten. */
function every<T extends string>(members: Record<T, true>): T[] {
  return Object.keys(members) as T[];
}

const commands = every<Command["type"]>({
  ...{ hello: true, resume: true, rooms: true, send: true, edit: true, delete: true, create: true, join: true },
  ...{ leave: true, invite: true, remove: true, rename: true, members: true, people: true, browse: true, search: true },
  ...{ read: true, typing: true, away: true, history: true, ping: true, pong: true },
});
const replies = every<Reply["type"]>({
  ...{ welcome: true, ack: true, error: true, page: true, rooms: true, members: true, people: true, hits: true, room: true },
  ...{ receipt: true, typing: true, presence: true, notice: true, reset: true, goodbye: true, pong: true, ping: true },
});
const kinds = every<Exclude<WireEvent["kind"], "unknown">>({ message: true, edit: true, delete: true, rename: true, member: true });
const reasons = every<ResetReason>({ epoch: true, future: true, pruned: true, too_far: true, gone: true });
type HttpOnly =
  | ("unauthorized" | "bad_origin" | "name_taken" | "signup_closed" | "bad_credentials" | "conflict")
  | ("method_not_allowed" | "unsupported_media_type" | "erased");
const errors = every<Exclude<ErrorCode, HttpOnly>>({
  ...{ bad_json: true, unknown_type: true, invalid: true, too_large: true, too_deep: true, hello_first: true },
  ...{ already_hello: true, token_refused: true, not_found: true, forbidden: true, cid_conflict: true, deleted: true },
  ...{ too_many_rooms: true, too_many_members: true, rate_limited: true, overloaded: true, unavailable: true },
  ...{ storage_full: true, draining: true, internal: true },
});

describe("the golden frames", () => {
  it("hold every command, reply, kind of event, reason and error at least once", () => {
    const field = (direction: string, type: string, name: string): unknown[] =>
      goldens.filter((each) => each.direction === direction && each.frame.type === type).map(({ frame }) => frame[name]);
    const types = (direction: string): string[] => goldens.filter((each) => each.direction === direction).map(({ frame }) => frame.type);
    expect(new Set(types("client"))).toEqual(new Set(commands));
    expect(new Set(types("server"))).toEqual(new Set([...replies, "event"]));
    expect(new Set(field("server", "event", "kind"))).toEqual(new Set(kinds));
    expect(new Set(field("server", "reset", "reason"))).toEqual(new Set(reasons));
    expect(new Set(field("server", "error", "code"))).toEqual(new Set(errors));
  });

  it.each(server.map(({ name, frame }) => [name, frame] as const))("%s is read as it stands", (_, frame) => {
    expect(parseFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it.each(server.map(({ name, frame }) => [name, frame] as const))("%s is taken by a live client without a fault", async (_, frame) => {
    const world = new World();
    const client = createClient({ environment: world.environment, store: memoryStore() });
    const faults: MoorlineError[] = [];
    client.on("error", (error) => faults.push(error));
    client.start();
    await world.settle();
    world.peer.accept();
    world.peer.say(welcome([room({ epoch: EPOCH, head: 41, read: 41 })]));
    void client.room("r1").open().catch(() => {});
    world.peer.say(frame);
    await world.advance(100);
    const expected = frame.type === "error" ? [{ code: frame["code"] }] : [];
    expect(faults).toMatchObject(expected);
  });
});

describe("what the client sends", () => {
  it("has the fields of the golden frame of that type", async () => {
    const world = new World();
    const client = createClient({ environment: world.environment, store: memoryStore(), getToken: () => "t", device: "d" });
    client.start();
    await world.settle();
    world.peer.accept();
    world.peer.say(welcome());
    const handle = client.room("r1");
    handle.send("x", { replyTo: "m" });
    handle.typing();
    world.peer.say({ type: "ping" });
    const swallow = (): void => {};
    const asked = [
      ...[handle.open(), handle.invite(["bob"]), handle.remove(["bob"]), handle.rename("n"), handle.leave(), handle.members()],
      ...[client.join("r1"), client.create({ kind: "public", name: "n" }), client.browse({ query: "q" }), client.search("q")],
      ...[client.findPeople("b"), client.lookUp(["zoe"])],
    ];
    for (const promise of asked) promise.catch(swallow);
    await world.settle();
    const known = new Map<string, Set<string>>();
    for (const { direction, frame } of goldens) {
      if (direction !== "client") continue;
      const fields = known.get(frame.type) ?? new Set();
      for (const field of Object.keys(frame)) fields.add(field);
      known.set(frame.type, fields);
    }
    expect(world.peer.received.length).toBeGreaterThan(12);
    for (const command of world.peer.received) {
      const extra = Object.keys(command).filter((field) => !known.get(command["type"] as string)?.has(field));
      expect(extra.filter((field) => field !== "after" && field !== "limit"), JSON.stringify(command)).toEqual([]);
    }
  });
});
