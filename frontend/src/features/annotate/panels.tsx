import { useLingui } from "@lingui/react/macro";
import "@/shared/texts/annotate-later";
import { useToasts } from "@/shared/ui/toast";
import type { Panel } from "./actions";
import type { ControlsProps } from "./controls";
import { Dialogs } from "./dialogs";
import { MoreDrawer } from "./more-drawer";
import { SubmitDialog } from "./submit";
import { SuggestDialog } from "./suggest";

/** Everything that opens over the picture: loaded after it, since nobody needs it at once. */
export default function Panels({
  panel,
  controls,
  isPhone,
  onClose,
}: {
  panel: Panel | null;
  controls: ControlsProps;
  isPhone: boolean;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const toasts = useToasts();
  const { session, work, act } = controls;
  return (
    <>
      {isPhone ? <MoreDrawer {...controls} open={panel === "more"} onClose={onClose} /> : null}
      <SubmitDialog
        open={panel === "submit"}
        session={session}
        onClose={onClose}
        onDone={() => {
          onClose();
          toasts.announce(t`Submitted. Thank you.`);
        }}
        onJump={(z) => {
          onClose();
          work.editor.goTo(z);
        }}
      />
      <SuggestDialog
        open={panel === "suggest"}
        session={session}
        work={work}
        onClose={onClose}
        onCheck={() => {
          onClose();
          act({ do: "next-to-check" });
        }}
      />
      <Dialogs panel={panel} session={session} work={work} onClose={onClose} />
    </>
  );
}
