/** One tab at a time works on an annotation; the others only look. Without Web Locks every tab may work: the server sorts it. */

export type TabRole = "waiting" | "leader" | "follower";

export interface TabOptions {
  readonly annotation: string;
  readonly onRole: (role: TabRole) => void;
  /** Another tab's work was saved: read the document again. */
  readonly onSaved?: (revision: number) => void;
}

export class TabSession {
  private readonly closing = new AbortController();
  private readonly channel: BroadcastChannel | null;
  private release: (() => void) | null = null;

  constructor({ annotation, onRole, onSaved }: TabOptions) {
    const name = `crowdmask annotation ${annotation}`;
    this.channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    if (this.channel !== null) {
      this.channel.onmessage = ({ data }: MessageEvent<unknown>) => {
        const revision = (data as { saved?: unknown } | null)?.saved;
        if (typeof revision === "number") onSaved?.(revision);
      };
    }
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    if (locks === undefined) {
      onRole("leader");
      return;
    }
    onRole("waiting");
    void this.hold(locks, name, onRole);
  }

  /** Tell the other tabs what this one has saved. */
  tellSaved(revision: number): void {
    this.channel?.postMessage({ saved: revision });
  }

  close(): void {
    this.closing.abort();
    this.release?.();
    this.channel?.close();
  }

  private async hold(locks: LockManager, name: string, onRole: (role: TabRole) => void): Promise<void> {
    const held = (): Promise<void> => {
      if (this.closing.signal.aborted) return Promise.resolve();
      onRole("leader");
      return new Promise((resolve) => {
        this.release = resolve;
      });
    };
    try {
      const isFree = await locks.request(name, { ifAvailable: true }, async (lock) => {
        if (lock === null) return false;
        await held();
        return true;
      });
      if (isFree || this.closing.signal.aborted) return;
      onRole("follower");
      // Wait until the working tab is closed, then take over.
      await locks.request(name, { signal: this.closing.signal }, held);
    } catch (error) {
      if (this.closing.signal.aborted) return;
      throw error;
    }
  }
}
