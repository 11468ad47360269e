/** Boxes for the slices that nobody has looked at: a worker finds them, the person takes them and looks at each. */
import { api, unwrap } from "@/api/client";
import type { Editor } from "@/canvas/editor";
import type { Operation } from "@/canvas/operations";
import type { Sync } from "@/offline/sync";

/** What became of asking. */
export type Suggested =
  | { readonly kind: "taken"; readonly slices: number }
  /** Something is not saved, and the sync says why. */
  | { readonly kind: "unsent" }
  | { readonly kind: "failed"; readonly why: string };

const EVERY_MS = 1_000;

/** Ask until there is an answer, and put it into the document as one step. Rejects when the server refuses. */
export async function suggestRest(
  annotationId: string,
  editor: Editor,
  sync: Sync,
  signal: AbortSignal,
  tell: (progress: number) => void,
): Promise<Suggested> {
  if (!(await sync.flush())) return { kind: "unsent" };
  const { revision } = sync.getSnapshot();
  const params = { path: { annotation_id: annotationId } };
  const address = "/api/v1/annotations/{annotation_id}/suggestions";
  let answer = await unwrap(api.POST(address, { params, signal }));
  for (;;) {
    signal.throwIfAborted();
    // Saved elsewhere meanwhile: what is found is not for the document on the screen.
    if (answer.revision !== revision) return { kind: "unsent" };
    if (answer.state === "done") {
      const operations = answer.operations as unknown as Operation[];
      const before = countUnknown(editor);
      editor.perform(operations);
      return { kind: "taken", slices: before - countUnknown(editor) };
    }
    if (answer.state === "failed") return { kind: "failed", why: answer.error ?? "" };
    tell(answer.progress);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    signal.throwIfAborted();
    answer = await unwrap(api.GET(address, { params, signal }));
  }
}

function countUnknown(editor: Editor): number {
  return editor.getSnapshot().states.filter((state) => state === "unknown").length;
}
