/**
 * What a person must have seen after a run, whatever went wrong: every acknowledged message once, in order, in all
 * windows. Gives what is broken as sentences; none means that the contract was kept.
 */
import { shown, type Run, type Seen } from "./people.js";

/** Everything that is wrong with a run. */
export function broken(run: Run): string[] {
  return [...stored(run), ...run.windows.flatMap((seen) => [...run.server.rooms.keys()].flatMap((room) => seenIn(run, seen, room)))];
}

/** I1, I2, I3, I10: acknowledged is stored, once, without holes, each window's own messages in their order. */
function stored({ server, acknowledged, written, windows }: Run): string[] {
  const wrong: string[] = [];
  for (const [id, { log }] of server.rooms) {
    if (log.some(({ seq }, index) => seq !== index + 1)) wrong.push(`${id}: the seqs have a hole`);
    const cids = log.map(({ from, cid }) => `${from} ${cid}`);
    if (new Set(cids).size < cids.length) wrong.push(`${id}: a cid is stored twice`);
    const bodies = log.flatMap((event) => (event.kind === "message" ? [event.body] : []));
    for (const { name } of windows) {
      const own = bodies.filter((body) => body.startsWith(`${name} `));
      const expected = written.get(`${name} ${id}`) ?? [];
      if (own.join() !== expected.join()) wrong.push(`${id}: ${name} wrote ${expected.join()} and the log has ${own.join()}`);
    }
  }
  for (const { room, seq, cid, body } of acknowledged) {
    if (server.rooms.get(room)?.get(seq)?.cid !== cid) wrong.push(`${room}: "${body}" was acknowledged at ${seq} and is not there`);
  }
  return wrong;
}

/** I6, I7, I9: what a window heard and shows is next after next, each once, and all of it. */
function seenIn({ server }: Run, seen: Seen, room: string): string[] {
  const wrong: string[] = [];
  const messages = server.rooms.get(room)!.log.filter(({ kind }) => kind === "message");
  const heard = seen.heard.get(room) ?? [];
  const where = `${room} in ${seen.name}`;
  if (heard.some((seq, index) => index > 0 && seq <= heard[index - 1]!)) wrong.push(`${where}: heard out of order or twice: ${heard.join()}`);
  const [lastHeard, last] = [heard.at(-1), messages.at(-1)?.seq];
  if (lastHeard !== last) wrong.push(`${where}: the last that was heard is ${lastHeard}, of ${last}`);
  if (seen.isBot && heard.length !== messages.length) wrong.push(`${where}: a bot heard ${heard.length} of ${messages.length}`);
  const { queued, failed } = seen.client.getSnapshot();
  if (queued + failed > 0) wrong.push(`${where}: ${queued} queued, ${failed} failed`);
  if (seen.isBot) return wrong;
  const expected = messages.map((event) => `${event.seq} ${event.kind === "message" && event.body} sent`);
  const rows = shown(seen, room).map(({ seq, body, state }) => `${seq} ${body} ${state}`);
  if (rows.join("\n") !== expected.join("\n")) wrong.push(`${where}: shows ${difference(rows, expected)}`);
  return wrong;
}

function difference(rows: readonly string[], expected: readonly string[]): string {
  const at = expected.findIndex((row, index) => rows[index] !== row);
  return `${rows.length} rows for ${expected.length}; row ${at}: "${rows[at]}" for "${expected[at]}"`;
}
