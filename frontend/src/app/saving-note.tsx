import { Plural, Trans } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useSyncExternalStore } from "react";
import { unsentQuery } from "@/features/tasks/unsent";

const EVERY_MS = 10_000;

/** Under the header of every page: whether there is a network, and how much this device has not sent yet. */
export default function SavingNote({ accountId }: { accountId: string | null }): ReactNode {
  const isOnline = useSyncExternalStore(subscribeToNetwork, () => navigator.onLine);
  const { data } = useQuery({
    ...unsentQuery(accountId ?? ""),
    enabled: accountId !== null,
    refetchInterval: EVERY_MS,
  });
  const unsent = Object.values(data ?? {}).reduce((sum, n) => sum + n, 0);
  return (
    <div className="cm-saving-note" role="status" data-testid="saving-note">
      {isOnline ? null : <Trans>Offline</Trans>}
      {!isOnline && unsent > 0 ? " · " : null}
      {unsent > 0 ? <Plural value={unsent} one="# unsent change" other="# unsent changes" /> : null}
    </div>
  );
}

function subscribeToNetwork(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}
