/**
 * Why the test server refuses a command: the codes of the protocol with their texts. Thrown by its rules, answered by
 * its sessions.
 */
import type { ErrorCode } from "../protocol.generated.js";

const TEXTS: Partial<Record<ErrorCode, string>> = {
  bad_json: "This is not a JSON object in UTF-8 text.",
  unknown_type: "There is no command of this type.",
  hello_first: "The first command of a connection must be hello.",
  already_hello: "This connection has said hello already.",
  token_refused: "The token or the session is not valid. Sign in again.",
  not_found: "There is no such room or message.",
  forbidden: "Your role in this room does not allow this.",
  cid_conflict: "This cid was used for another command already.",
  deleted: "The message is deleted.",
  unavailable: "The store is not available. Nothing is lost; try again.",
  conflict: "Something else exists under this id already.",
};

/** A refusal with its code. */
export class Refusal extends Error {
  constructor(
    readonly code: ErrorCode,
    text = TEXTS[code] ?? code,
  ) {
    super(text);
  }
}

/** A field that is missing or not allowed. */
export function invalid(text: string): Refusal {
  return new Refusal("invalid", text);
}
