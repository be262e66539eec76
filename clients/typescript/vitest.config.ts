import { defineConfig } from "vitest/config";

/** The oldest React that the hooks are for; the newest is the package's own. */
const old = new URL("test/react-18/node_modules/", import.meta.url).pathname;

const test = { testTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { ...test, name: "sdk", include: ["test/*.test.ts"], env: { REACT: "19" } } },
      {
        test: { ...test, name: "react-18", include: ["test/react.test.ts"], env: { REACT: "18" } },
        resolve: { alias: [{ find: /^react(-dom)?(?=$|\/)/, replacement: `${old}react$1` }] },
      },
    ],
  },
});
