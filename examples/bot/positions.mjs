// How far the bot has come, in a file: a crash at any moment leaves the old one or the new one.
import { open, readFile, rename } from "node:fs/promises";

/** Positions for `consume()`. One process at a time may use the file. */
export function filePositions(path) {
  let all = {};
  let saved = Promise.resolve();
  const write = async () => {
    const draft = await open(`${path}.new`, "w");
    await draft.writeFile(JSON.stringify(all));
    await draft.sync();
    await draft.close();
    await rename(`${path}.new`, path);
  };
  return {
    async load() {
      const text = await readFile(path, "utf8").catch((error) => (error.code === "ENOENT" ? "{}" : Promise.reject(error)));
      return (all = JSON.parse(text));
    },
    save(room, position) {
      all = { ...all, [room]: position };
      // One after the other; a failure is told to whoever waits for this one.
      return (saved = saved.catch(() => {}).then(write));
    },
  };
}
