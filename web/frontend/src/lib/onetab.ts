/**
 * One tab of many: the browser's locks say which tab has the desk. A lock goes with its tab, however
 * that ends, and the tab that waits for it goes on.
 */

/** Not yet known, this one, or another one. */
export type TabState = "asking" | "here" | "elsewhere";

/** A tab that was just reloaded gets its own lock back in a moment: no news. */
const PATIENCE_MS = 400;

export class OneTab {
  private waiting: AbortController | null = null;
  private letGo: () => void = () => undefined;
  private endCall: (() => void) | null = null;
  private opened = false;

  /**
   * @param name of what only one tab may have.
   * @param locks none outside of a secure context: then every tab has it.
   */
  constructor(
    private readonly name: string,
    private readonly onState: (state: TabState) => void,
    private readonly locks: LockManager | null = (navigator.locks as LockManager | undefined) ?? null,
  ) {}

  open(): void {
    this.opened = true;
    if (!this.locks) {
      this.onState("here");
      return;
    }
    this.queue(this.locks);
  }

  close(): void {
    this.opened = false;
    this.waiting?.abort();
    this.letGo();
    this.setInCall(false);
  }

  /** Take it from the other tab, unless that has a call in hand. @returns whether it was taken. */
  async takeOver(): Promise<boolean> {
    if (!this.locks || !this.opened) return false;
    const { held = [] } = await this.locks.query();
    if (held.some(({ name }) => name === this.callName)) return false;
    this.waiting?.abort();
    this.request(this.locks, { steal: true });
    return true;
  }

  /** While this tab has a call, no other takes over: the call would be cut. */
  setInCall(inCall: boolean): void {
    if (!inCall) {
      this.endCall?.();
      this.endCall = null;
    } else if (!this.endCall && this.locks) {
      const over = new Promise<void>((resolve) => (this.endCall = resolve));
      void this.locks.request(this.callName, () => over);
    }
  }

  private get callName(): string {
    return `${this.name}.call`;
  }

  private queue(locks: LockManager): void {
    const waiting = new AbortController();
    this.waiting = waiting;
    const patience = setTimeout(() => this.onState("elsewhere"), PATIENCE_MS);
    waiting.signal.addEventListener("abort", () => clearTimeout(patience));
    this.request(locks, { signal: waiting.signal }, () => clearTimeout(patience));
  }

  private request(locks: LockManager, options: LockOptions, onHeld?: () => void): void {
    const hold = (): Promise<void> => {
      onHeld?.();
      this.waiting = null;
      this.onState("here");
      return new Promise((resolve) => (this.letGo = resolve));
    };
    locks.request(this.name, options, hold).catch(() => {
      // Ours was stolen, or we gave up waiting to steal it ourselves.
      if (options.signal?.aborted || !this.opened) return;
      this.onState("elsewhere");
      this.queue(locks);
    });
  }
}
