/**
 * The server of `@moorline/client/testing` is held against the real one: the same commands on both, and every frame that
 * comes on every connection compared. Ids, epochs and times are random, so they are compared by where they stand.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isBuilt, Server } from "./server.js";
import { script, type Step } from "./script.js";
import { inMemory, Names, real, Wire, type Json, type Subject } from "./wires.js";

/** What came in each step, on each connection. */
interface Heard {
  readonly label: string;
  readonly counts: readonly number[];
  readonly frames: readonly (readonly string[])[];
}

/** Plays the script; `expected` says how many frames to wait for. */
async function play(subject: Subject, steps: readonly Step[], expected?: readonly Heard[]): Promise<Heard[]> {
  const wires = new Map<string, Wire>();
  const names = new Names();
  const heard: Heard[] = [];
  const order = [...new Set(steps.map(({ on }) => on))];
  const all = (): Wire[] => order.flatMap((name) => wires.get(name) ?? []);
  const known = { token: (user: string) => subject.token(user), frames: (on: string): readonly Json[] => wires.get(on)?.frames ?? [] };
  for (const [index, { label, on, open, say }] of steps.entries()) {
    if (open) {
      wires.get(on)?.close();
      const fresh = new Wire(subject.open());
      wires.set(on, fresh);
      while (!fresh.isOpen) await new Promise((resolve) => setImmediate(resolve));
    }
    const before = new Map(all().map((wire) => [wire, wire.frames.length]));
    for (const command of say(known)) {
      const wire = wires.get(on)!;
      if (typeof command === "string") wire.sendText(command);
      else wire.send(command);
    }
    await subject.settle(all(), expected?.[index]?.counts);
    const frames = order.map((name) => names.told((wires.get(name)?.frames ?? []).slice(before.get(wires.get(name)!) ?? 0)));
    heard.push({ label, counts: all().map((wire) => wire.frames.length), frames });
  }
  for (const wire of all()) wire.close();
  return heard;
}

describe.skipIf(!isBuilt)("the server in memory", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server.dispose());

  it("says to every connection what the real one says", async () => {
    const memory = await play(inMemory(), script);
    const live = await play(real(server), script, memory);
    const said = (heard: readonly Heard[]) => heard.map(({ label, frames }) => ({ label, frames }));
    expect(said(memory)).toEqual(said(live));
    const count = live.reduce((sum, { frames }) => sum + frames.flat().length, 0);
    console.log(`${live.length} steps, ${count} frames, the same on both`);
    expect(count).toBeGreaterThan(300);
  });

  it("would be found out by one answer that differs", async () => {
    const twin = inMemory();
    const open = twin.open.bind(twin);
    twin.open = () => {
      const socket = open();
      const send = socket.send.bind(socket);
      socket.send = (text) => send(text.replace('"on":true', '"on":false').replace('"limit":2', '"limit":3'));
      return socket;
    };
    const [memory, planted] = [await play(inMemory(), script), await play(twin, script)];
    expect(planted.map(({ frames }) => frames)).not.toEqual(memory.map(({ frames }) => frames));
  });
});
