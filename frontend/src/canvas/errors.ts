/** Why an operation is refused: the server's codes, so that both sides say the same. */
export type RefusalCode = "operation_invalid" | "box_invalid" | "slice_out_of_range" | "track_unknown";

/** A refused operation. `message` is for logs and tests; screens choose their words by `code`. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  constructor(
    readonly code: RefusalCode,
    message: string,
  ) {
    super(message);
  }
}
