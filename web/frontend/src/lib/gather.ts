/** Gathers what comes in quick succession: the first is handed on at once, what follows together. */
export class Gather<T> {
  private waiting: T[] = [];
  private cancel: (() => void) | null = null;

  /**
   * @param everyMs so long after something was handed on the next is.
   * @param later calls back after so many milliseconds; returns how to cancel.
   */
  constructor(
    private readonly everyMs: number,
    private readonly handOn: (gathered: T[]) => void,
    private readonly later: (callback: () => void, milliseconds: number) => () => void,
  ) {}

  add(item: T): void {
    this.waiting.push(item);
    if (this.cancel === null) this.flush();
  }

  /** Forget what waits. */
  clear(): void {
    this.cancel?.();
    this.cancel = null;
    this.waiting = [];
  }

  private flush(): void {
    this.cancel = null;
    if (this.waiting.length === 0) return;
    const gathered = this.waiting;
    this.waiting = [];
    this.cancel = this.later(() => this.flush(), this.everyMs);
    this.handOn(gathered);
  }
}
