import { expect, it } from "vitest";
import { uuidV7Source } from "../src/uuid.js";
import { World } from "./world.js";

it("cids are UUIDv7 that only rise, also within a millisecond and when the clock jumps back", () => {
  const world = new World();
  const next = uuidV7Source(world.environment);
  const cids = Array.from({ length: 5_000 }, () => next());
  world.time -= 60_000;
  cids.push(next());
  world.time += 120_000;
  cids.push(next());
  expect(cids[0]).toMatch(/^01a2[0-9a-f]{4}-[0-9a-f]{4}-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(parseInt(cids[0]!.replace("-", "").slice(0, 12), 16)).toBe(1_795_377_137_000);
  expect([...cids].sort()).toEqual(cids);
  expect(new Set(cids).size).toBe(cids.length);
});
