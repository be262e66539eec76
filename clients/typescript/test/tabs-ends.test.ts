import { beforeEach, expect, it } from "vitest";
// The client loads these when it needs them; here they are at hand, since no clock tells how long that takes.
import "../src/tabs/leftovers.js";
import "../src/tabs/share.js";
import { Browser, type Tab } from "./browser.js";
import { EPOCH } from "./world.js";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
  for (const n of [1, 2, 3]) browser.server.post(`m${n}`);
});

/** So many tabs that show the room. */
async function opened(count: number): Promise<Tab[]> {
  const tabs: Tab[] = [];
  for (let n = 0; n < count; n++) tabs.push(await browser.open());
  for (const tab of tabs) void tab.client.room("r1").open();
  await browser.world.settle();
  return tabs;
}

it("a leader that stops while another tab waits for an answer speaks to nobody any more, and the next one asks again", async () => {
  const [leader, follower] = await opened(2);
  browser.server.isMute = true;
  const { acked } = follower!.client.room("r1").send("m4");
  await browser.world.settle();
  leader!.client.stop();
  browser.server.isMute = false;
  await browser.world.advance(2_000);
  expect((await acked).seq).toBe(4);
  expect(browser.afterClose).toBe(0);
  expect(browser.server.log).toHaveLength(4);
  expect(browser.leaders).toEqual([follower]);
});

it("a tab that leaves while its question is under way is answered no more, and the others go on", async () => {
  const [, leaving, staying] = await opened(3);
  browser.server.isMute = true;
  leaving!.client.room("r1").send("m4");
  await browser.world.settle();
  leaving!.client.stop();
  await browser.world.settle();
  browser.server.isMute = false;
  // The leader's connection gives the answer up after ten seconds.
  await browser.world.advance(15_000);
  expect(browser.afterClose).toBe(0);
  browser.server.post("m5");
  await browser.world.settle();
  expect(staying!.heard).toEqual(["m4", "m5"]);
});

it("a tab that is closed is told no reset, and those who asked beside it are", async () => {
  const [leader, second, third] = await opened(3);
  const resets: string[] = [];
  for (const tab of [leader, second, third]) tab!.client.on("room", ({ change }) => resets.push(`${tab!.name} ${change}`));
  // An event of another life of the log makes each tab ask to go on in the room.
  browser.server.say({ ...browser.server.log[2], epoch: "other", seq: 1 });
  await browser.world.settle();
  second!.close();
  await browser.world.settle();
  browser.server.say({ type: "reset", room: "r1", reason: "epoch", epoch: "other", first: 1, head: 1 });
  await browser.world.settle();
  expect(browser.afterClose).toBe(0);
  expect(resets).toEqual(["tab-1 reset", "tab-3 reset"]);
});

it("a reset long after a tab asked is for all tabs", async () => {
  const [leader, follower] = await opened(2);
  const resets: string[] = [];
  for (const tab of [leader, follower]) tab!.client.on("room", ({ change }) => resets.push(`${tab!.name} ${change}`));
  const late = await browser.open();
  expect(late.client.getSnapshot().state.is).toBe("live");
  await browser.world.advance(20_000);
  browser.server.say({ type: "reset", room: "r1", reason: "epoch", epoch: `${EPOCH}2`, first: 1, head: 1 });
  await browser.world.settle();
  expect(resets).toEqual(["tab-1 reset", "tab-2 reset"]);
});

it("a tab in a sandbox, whose locks are forbidden, has a connection of its own", async () => {
  const locks = { request: () => Promise.reject(new DOMException("not here", "SecurityError")), query: () => Promise.reject(new DOMException("not here", "SecurityError")) };
  const boxed = await browser.open({}, { locks });
  await browser.world.advance(5_000);
  expect(boxed.client.getSnapshot()).toMatchObject({ leads: true, state: { is: "live" } });
  expect((await boxed.client.room("r1").send("m4").acked).seq).toBe(4);
});
