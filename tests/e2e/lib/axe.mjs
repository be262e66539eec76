/**
 * axe-core in the page: what it finds against WCAG 2.2 A and AA and its best practices.
 *
 * The page's policy lets no foreign script in, so it comes in as the browser's own, before the page.
 */

import { fileURLToPath } from "node:url";

/** For `Window.open`: brings axe into every document of the window. */
export const WITH_AXE = { initScript: fileURLToPath(import.meta.resolve("axe-core/axe.min.js")) };

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** What another theme can break. */
const COLOURS = ["color-contrast", "link-in-text-block", "focus-order-semantics"];

/**
 * What is wrong with what is in the page now, one line each, and how many rules had something to look at.
 *
 * @param {import("playwright-core").Page} page
 * @param {"all" | "colours"} rules
 */
export function look(page, rules = "all") {
  const runOnly = rules === "all" ? { type: "tag", values: TAGS } : { type: "rule", values: COLOURS };
  return page.evaluate(async (runOnly) => {
    const found = await globalThis.axe.run(document, { runOnly, resultTypes: ["violations", "passes"] });
    const line = ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(", ")}`;
    return { violations: found.violations.map(line), passes: found.passes.length };
  }, runOnly);
}
