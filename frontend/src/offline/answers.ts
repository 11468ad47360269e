/** What one attempt to save a batch can come to. */
/** What the server refused, as problem+json has it. */
export interface SyncProblem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly hint: string;
}

/** A batch that was accepted meanwhile, from a 412. */
export interface Since {
  readonly revision: number;
  readonly operations: unknown;
  readonly saved_at: string;
}

export type SendAnswer =
  | {
      readonly kind: "ok";
      readonly revision: number;
      readonly late: boolean;
      readonly leaseUntil: string | null;
    }
  | { readonly kind: "stale"; readonly revision: number; readonly since: readonly Since[] }
  | { readonly kind: "signed-out" }
  | { readonly kind: "closed"; readonly problem: SyncProblem }
  | { readonly kind: "refused"; readonly problem: SyncProblem }
  /** No answer, or one that says "later". */
  | { readonly kind: "later"; readonly afterMs: number | null };
