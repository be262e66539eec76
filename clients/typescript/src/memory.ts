/**
 * Which way worked last on this network where a WebSocket did not, kept for a while over reloads. The connection looks
 * whether there is something before its first attempt, the choosing reads and writes it. Where storage is forbidden
 * nothing is remembered.
 */
import type { Environment } from "./env.js";

export const keyOf = (url: string): string => `moorline transport ${url}`;

/** What is remembered of a server, in a form that only the choosing reads. */
export function recall(env: Environment, url: string): string | null | undefined {
  try {
    return (env.storage ?? localStorage).getItem(keyOf(url));
  } catch {
    return;
  }
}
