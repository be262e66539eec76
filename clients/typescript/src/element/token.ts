/**
 * Asks the embedding site for a token: `GET` of its token endpoint, with its own cookies, answered by
 * `{"token": "…"}`. Used by the element, in the site's own page, also for an iframe.
 */
import type { GetToken } from "./contract.js";

/** An answer that no repetition changes: nobody is signed in. */
const NOBODY = [401, 403];

/** A `getToken` for this address. */
export function fromEndpoint(endpoint: string): GetToken {
  return async () => {
    const answer = await fetch(endpoint, {
      credentials: "same-origin",
      cache: "no-store",
      // A page that sends one to its sign-in form says with it that nobody is signed in.
      redirect: "manual",
      headers: { accept: "application/json" },
    });
    if (answer.type === "opaqueredirect" || NOBODY.includes(answer.status)) {
      throw Object.assign(new Error(`${endpoint}: nobody is signed in`), { retryable: false });
    }
    const token = answer.ok ? ((await answer.json()) as { token?: unknown }).token : undefined;
    if (typeof token !== "string") throw new Error(`${endpoint}: ${answer.status}, no token`);
    return token;
  };
}
