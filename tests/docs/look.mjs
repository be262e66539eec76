/**
 * A stranger's browser, for test_begin.py: opens a page and does one thing in it. `node look.mjs write URL TEXT` writes a
 * message and waits until it is sent; `node look.mjs read URL TEXT NAME PASSWORD` signs in at Django and waits for a text.
 */

import { launch } from "../e2e/lib/browser.mjs";

const DEADLINE_MS = 90_000;
const [what, url, text, name, password] = process.argv.slice(2);

async function write(page) {
  await page.fill("input", text);
  await page.click("button");
  await page.getByText(`${text} (sent)`).waitFor();
}

async function read(page) {
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", password);
  await page.click("[type=submit]");
  await page.getByText(text).first().waitFor();
}

const browser = await launch();
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  await page.goto(url);
  await { write, read }[what](page);
} finally {
  await browser.close();
}
