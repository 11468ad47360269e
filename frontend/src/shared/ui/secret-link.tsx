import { Trans, useLingui } from "@lingui/react/macro";
import { useId, useRef, useState } from "react";
import { Button } from "./button";
import { QrCode } from "./qr-code";

/** A link that is shown once: to copy, or for a phone's camera. */
export function SecretLink({ url, label }: { url: string; label: string }) {
  const { t } = useLingui();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(url);
      setCopied(true);
    } catch {
      // Without permission the person copies by hand: the whole link is selected.
      field.current?.select();
    }
  }

  return (
    <div className="cm-secret">
      <div className="cm-field">
        <label htmlFor={id}>{label}</label>
        <input ref={field} id={id} readOnly value={url} onFocus={(event) => event.currentTarget.select()} />
      </div>
      <Button variant="primary" onClick={() => void copy()}>
        {copied ? <Trans>Copied</Trans> : <Trans>Copy the link</Trans>}
      </Button>
      <span className="cm-hidden" aria-live="polite">
        {copied ? t`The link is copied` : ""}
      </span>
      <QrCode text={url} label={t`The same link as a picture for a phone's camera`} />
      <p className="cm-quiet">
        <Trans>This link is shown only now, and works once. Send it to that person only.</Trans>
      </p>
    </div>
  );
}
