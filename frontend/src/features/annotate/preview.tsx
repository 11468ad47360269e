import { Trans } from "@lingui/react/macro";
import { useEffect, useMemo } from "react";
import "@/shared/texts/annotate-later";
import { useStore } from "./hooks";
import { askPreview, LivePreview } from "./live-preview";
import type { Session, Work } from "./session";

/** Has the mask of the slice's boxes shown while somebody draws; where there is none, it says so and no more. */
export default function Preview({ session, work }: { session: Session; work: Work }) {
  const live = useMemo(
    () =>
      new LivePreview({
        editor: work.editor,
        ask: askPreview(work.task.assignment.id, session.inflater.inflate),
        tell: (preview) => session.set({ preview }),
      }),
    [session, work],
  );
  useEffect(() => live.start(), [live]);
  const { off } = useStore(live);
  return off ? (
    <p className="cm-preview-off" data-testid="preview-off">
      <Trans>Preview off</Trans>
    </p>
  ) : null;
}
