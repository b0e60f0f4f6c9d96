/** What a user can cause; its message says what to do. */
export class TinyclapError extends Error {
  name = "TinyclapError";
}
