/** "Use this tab": the tab that only looks asks the one that works to let it have the task. */
export class HandOver {
  private readonly channel: BroadcastChannel | null;

  /** @param onAsked another tab wants to work on this annotation. */
  constructor(annotation: string, onAsked: () => void) {
    const name = `crowdmask hand over ${annotation}`;
    this.channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    if (this.channel !== null) this.channel.onmessage = onAsked;
  }

  ask(): void {
    this.channel?.postMessage("ask");
  }

  close(): void {
    this.channel?.close();
  }
}
