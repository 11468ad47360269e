import { useLingui } from "@lingui/react/macro";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";
import { Button } from "./button";

export interface Toast {
  readonly text: ReactNode;
  readonly tone?: "plain" | "good" | "problem";
  readonly action?: { readonly label: ReactNode; readonly onSelect: () => void };
  /** Milliseconds; a problem and a toast with an action stay until they are closed, unless this is given. */
  readonly lasts?: number;
}

export interface Toasts {
  /** Show a short note at the bottom; it is read out too. */
  show(toast: Toast): void;
  /** Only read out (aria-live), for what the eye sees anyway, such as the slice's number. */
  announce(text: string): void;
}

const Context = createContext<Toasts | null>(null);
const LASTS_MS = 6_000;

export function ToastProvider({ children }: { children: ReactNode }) {
  const { t } = useLingui();
  const [shown, setShown] = useState<readonly (Toast & { id: number })[]>([]);
  const [spoken, setSpoken] = useState("");
  const next = useRef(1);

  const close = useCallback((id: number) => setShown((all) => all.filter((toast) => toast.id !== id)), []);
  const show = useCallback(
    (toast: Toast) => {
      const id = next.current++;
      setShown((all) => [...all.slice(-2), { ...toast, id }]);
      const stays = toast.action !== undefined || toast.tone === "problem";
      const lasts = toast.lasts ?? (stays ? 0 : LASTS_MS);
      if (lasts > 0) setTimeout(() => close(id), lasts);
    },
    [close],
  );
  const toasts = useMemo(() => ({ show, announce: setSpoken }), [show]);

  return (
    <Context.Provider value={toasts}>
      {children}
      {/* Both regions are there from the start: a region that comes with its text is not read out. */}
      <div className="cm-hidden" aria-live="polite" data-testid="announcements">
        {spoken}
      </div>
      <section className="cm-toasts" aria-live="polite" aria-label={t`Notes`}>
        {shown.map((toast) => (
          <div key={toast.id} className="cm-toast" data-tone={toast.tone ?? "plain"}>
            <span>{toast.text}</span>
            {toast.action ? (
              <Button
                size="small"
                onClick={() => {
                  close(toast.id);
                  toast.action?.onSelect();
                }}
              >
                {toast.action.label}
              </Button>
            ) : null}
            <Button size="small" variant="plain" aria-label={t`Close`} onClick={() => close(toast.id)}>
              <span aria-hidden="true">✕</span>
            </Button>
          </div>
        ))}
      </section>
    </Context.Provider>
  );
}

export function useToasts(): Toasts {
  const toasts = useContext(Context);
  if (toasts === null) throw new Error("useToasts needs a ToastProvider above it");
  return toasts;
}
