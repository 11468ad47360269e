import { Trans, useLingui } from "@lingui/react/macro";
import { useId, useRef, useState } from "react";
import { Button } from "./button";
import { QrCode } from "./qr-code";

/** A server that is started without --public-url says "localhost", which is every device's own name of itself. */
const ONLY_HERE = ["localhost", "127.0.0.1", "[::1]"];

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
      {ONLY_HERE.includes(new URL(url).hostname) ? (
        <p className="cm-note">
          <Trans>
            This link opens on this computer only. For phones and other computers Crowdmask has to run behind
            an https address: see "Running it on a server" in its documentation.
          </Trans>
        </p>
      ) : (
        <QrCode text={url} label={t`The same link as a picture for a phone's camera`} />
      )}
      <p className="cm-quiet">
        <Trans>This link is shown only now, and works once. Send it to that person only.</Trans>
      </p>
    </div>
  );
}
