/** Choosing NIfTI files of this device, as scans or as references. */
import { Plural, Trans } from "@lingui/react/macro";
import { type ReactNode, useRef } from "react";
import { Button } from "@/shared/ui/button";

/** A DICOM folder has hundreds of files. */
const NAMED = 3;

/** A button that opens the device's files; several may be chosen. */
export function ChooseFiles({
  filesName,
  variant = "secondary",
  busy = false,
  take,
  children,
}: {
  /** What the files are, for a screen reader. */
  filesName: string;
  variant?: "primary" | "secondary";
  busy?: boolean;
  take: (files: readonly File[]) => void;
  children: ReactNode;
}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button variant={variant} busy={busy} onClick={() => input.current?.click()}>
        {children}
      </Button>
      <input
        ref={input}
        className="cm-hidden"
        type="file"
        multiple
        accept=".nii,.nii.gz,.gz"
        aria-label={filesName}
        tabIndex={-1}
        onChange={(event) => {
          take([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

/** Which files were not taken, as nothing here reads them. */
export function LeftOut({ names, children }: { names: readonly string[]; children?: ReactNode }) {
  if (names.length === 0) return null;
  return (
    <div className="cm-problem" role="alert">
      <p className="cm-problem-what">
        <Trans>Only NIfTI files can be read here (.nii, .nii.gz). Left out:</Trans>{" "}
        {names.slice(0, NAMED).join(", ")}{" "}
        {names.length > NAMED ? (
          <Plural value={names.length - NAMED} one="and # more" other="and # more" />
        ) : null}
      </p>
      {children}
    </div>
  );
}
