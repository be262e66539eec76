import { describe, expect, it } from "vitest";
import { afterClose, backoffMs, standardBackoff } from "../src/backoff.js";

describe("backoff", () => {
  it("is spread over the whole interval, from nothing to the bound", () => {
    expect(backoffMs(0, standardBackoff, () => 0)).toBe(0);
    expect(backoffMs(0, standardBackoff, () => 0.999)).toBe(499);
    expect(backoffMs(3, standardBackoff, () => 0.5)).toBe(2_000);
  });

  it("never exceeds 20 s, however many attempts failed", () => {
    for (const attempt of [6, 20, 1_000, 5_000]) expect(backoffMs(attempt, standardBackoff, () => 0.999_999)).toBeLessThan(20_000);
  });
});

describe("a close code", () => {
  it.each([
    [1000, "backoff"],
    [1001, "backoff"],
    [1006, "backoff"],
    [1008, "stop"],
    [1011, "backoff"],
    [1012, "backoff"],
    [4400, "stop"],
    [4401, "new token"],
    [4403, "stop"],
    [4419, "stop"],
    [4420, "backoff"],
    [4429, "backoff"],
    [4439, "backoff"],
    [4440, "at once"],
    [4459, "at once"],
    [4460, "backoff"],
  ])("%i means %s", (code, then) => {
    expect(afterClose(code)).toBe(then);
  });
});
