import { describe, expect, it, vi } from "vitest";
import { RoomLog } from "../src/room.js";
import type { WireEvent } from "../src/wire.js";
import { broken } from "./property/contract.js";
import { play, type Planted } from "./property/people.js";

/** `MOORLINE_SEEDS=1000 npx vitest run test/property.test.ts` is the full number; `MOORLINE_SEED=7` is one run again. */
const SEEDS = Number(process.env["MOORLINE_SEEDS"] ?? 100);
const ONE = process.env["MOORLINE_SEED"];
const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, seed) => seed + 1) : [Number(ONE)];

const HAPPENINGS = [
  ...["drop", "repeat", "reorder", "cut", "refuse", "unavailable", "delayMs"],
  ...["stall", "offline", "online", "expire", "go away", "jump", "absence"],
];

/** Plays until a seed breaks the contract, and says how. */
async function firstBroken(planted: Planted): Promise<string | undefined> {
  for (const seed of seeds.slice(0, 20)) {
    const wrong = broken(await play(seed, planted));
    if (wrong.length > 0) return `seed ${seed}: ${wrong[0]}`;
  }
  return undefined;
}

describe("whatever goes wrong", () => {
  it(`every acknowledged message is seen once, in order, in all windows (${seeds.length} seeds)`, { timeout: 1_800_000 }, async () => {
    const bites = new Map<string, number>();
    let acknowledged = 0;
    for (const seed of seeds) {
      const run = await play(seed);
      expect(broken(run), `MOORLINE_SEED=${seed} plays this run again`).toEqual([]);
      acknowledged += run.acknowledged.length;
      for (const [what, count] of run.bites) bites.set(what, (bites.get(what) ?? 0) + count);
    }
    console.log(`${seeds.length} runs, ${acknowledged} messages acknowledged, faults: ${JSON.stringify(Object.fromEntries(bites))}`);
    expect(acknowledged).toBeGreaterThan(seeds.length * 20);
    if (seeds.length >= 20) expect([...bites.keys()].sort()).toEqual([...HAPPENINGS].sort());
  });
});

describe("the same is red", () => {
  it("with a server that forgets its cids", async () => {
    const forget = { server: ({ rooms }) => rooms.forEach(({ cids }) => cids.clear()) } satisfies Planted;
    expect(await firstBroken(forget)).toMatch(/stored twice|wrote/);
  });

  it("with a server that acknowledged what it then lost", async () => {
    const lose = { server: (server) => server.random() < 0.1 && server.loseHistory("ops", server.log("ops").length - 1) } satisfies Planted;
    expect(await firstBroken(lose)).toMatch(/is not there|wrote/);
  });

  it("with an SDK that takes a gap for nothing missing", async () => {
    vi.spyOn(RoomLog.prototype, "receive").mockImplementation(function (this: RoomLog, event: WireEvent) {
      if (event.seq <= this.seq) return;
      this.seq = event.seq;
      (this as unknown as { host: { apply(event: WireEvent): void } }).host.apply(event);
    });
    try {
      expect(await firstBroken({})).toMatch(/heard|shows/);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it("with an SDK that does not drop repeats", async () => {
    const real = RoomLog.prototype.receive;
    vi.spyOn(RoomLog.prototype, "receive").mockImplementation(function (this: RoomLog, event: WireEvent) {
      if (event.seq === this.seq) (this as unknown as { host: { apply(event: WireEvent): void } }).host.apply(event);
      real.call(this, event);
    });
    try {
      expect(await firstBroken({})).toMatch(/heard/);
    } finally {
      vi.restoreAllMocks();
    }
  });
});
