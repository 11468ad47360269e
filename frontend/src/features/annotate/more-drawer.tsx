import { useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import { Drawer } from "@/shared/ui/dialog";
import { type Control, ControlButton, type ControlsProps, useControls } from "./controls";
import { useStore } from "./hooks";
import { windowName } from "./words";

/** All other tools of a phone. Choosing one closes it, except what is switched on and off. */
export function MoreDrawer({
  open,
  onClose,
  ...props
}: ControlsProps & { open: boolean; onClose: () => void }) {
  const { t } = useLingui();
  const { work, session, act, onOpen } = props;
  const { marks, boxes, rest } = useControls(props);
  const { canUndo, canRedo, readOnly } = useStore(work.editor);
  const group = (controls: readonly Control[]): ReactNode => (
    <div className="cm-more-group">
      {controls.map((control) => (
        <ControlButton
          key={control.id}
          control={{
            ...control,
            onSelect: () => {
              onClose();
              control.onSelect();
            },
          }}
        />
      ))}
    </div>
  );
  return (
    <Drawer open={open} onClose={onClose} title={t`More`}>
      {group(marks)}
      {group(boxes)}
      {group([
        { id: "undo", label: t`Undo`, disabled: readOnly || !canUndo, onSelect: () => act({ do: "undo" }) },
        { id: "redo", label: t`Redo`, disabled: readOnly || !canRedo, onSelect: () => act({ do: "redo" }) },
        ...work.presets.map(({ name, window }) => ({
          id: name,
          label: windowName(name),
          onSelect: () => session.setWindow(window),
        })),
        { id: "windows", label: t`Brightness and contrast`, onSelect: () => onOpen("windows") },
        ...rest,
      ])}
    </Drawer>
  );
}
