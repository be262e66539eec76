/** Every view of the page on a desk; what must hold in each stands in lib/inspect.mjs. */

import { after, before, test } from "node:test";

import { launch } from "./lib/browser.mjs";
import { limit } from "./lib/form.mjs";
import { DESK, walk } from "./lib/inspect.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("every view on a desk is accessible in light, dark and forced colours", limit(240_000), (t) => walk(t, browser, "views-desk", DESK));
