/**
 * The one error class of the SDK. Thrown by every promise of the API and carried by
 * failed messages. `code` is the server's word from its closed list, or one of ours below.
 */

/** Error codes that the SDK itself adds to the server's list. */
export type LocalErrorCode = "timeout" | "disconnected" | "discarded" | "user_changed" | "bad_reply";

/** An error with a stable code; `retryable` says whether trying the same again can help. */
export class MoorlineError extends Error {
  override readonly name = "MoorlineError";

  constructor(
    /** A stable snake_case word: the server's (`not_found`, `rate_limited`, …) or a `LocalErrorCode`. */
    readonly code: string,
    message: string,
    /** True when the same command may succeed later, unchanged. */
    readonly retryable = false,
    /** How long the server asks to wait before trying again. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}
