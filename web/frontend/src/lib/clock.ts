/**
 * The server's clock, told from the browser's. Every count on every screen runs on it, so two
 * screens side by side show the same second whatever their own clocks say.
 */
import { computed, readonly, ref } from "vue";

const SAMPLES = 30;

/**
 * Estimates the difference of two clocks from one-way stamps. A message can only arrive late, so
 * the greatest of the recent differences is the one least spoiled by the network.
 */
export class OffsetEstimate {
  private readonly samples: number[] = [];

  /** @param remote the server's stamp, @param local our clock at its arrival; epoch seconds. */
  observe(remote: number, local: number): void {
    this.samples.push(remote - local);
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** Seconds to add to the browser's clock; 0 before the first stamp. */
  get seconds(): number {
    return this.samples.length === 0 ? 0 : Math.max(...this.samples);
  }
}

/** Milliseconds since the epoch when the page was opened, and on from there: nobody sets it. */
export function steadyMs(): number {
  return performance.timeOrigin + performance.now();
}

const estimate = new OffsetEstimate();
const tick = ref(steadyMs() / 1000);

/** The server's time now, epoch seconds. Not reactive: for stamps and comparisons. */
export function serverNow(): number {
  return steadyMs() / 1000 + estimate.seconds;
}

/** The server's time, reactive, stepping once a second. */
export const now = readonly(tick);

/** The server's time now, for what depends on the day; the zone is the browser's. */
export function serverDate(): Date {
  return new Date(serverNow() * 1000);
}

/** When the server's today began there; epoch milliseconds. */
export function midnight(): number {
  return serverDate().setHours(0, 0, 0, 0);
}

/** As `now`, stepping every ten seconds: for what nobody reads by the second. */
export const nowInTens = computed(() => Math.floor(now.value / 10) * 10);

/** Take a stamp from a message that just arrived. */
export function observeServerTime(stamp: number): void {
  estimate.observe(stamp, steadyMs() / 1000);
  // Every count on the screen follows a step: none where the second that they show is the same.
  const present = serverNow();
  if (Math.floor(present) !== Math.floor(tick.value)) tick.value = present;
}

/** Let `now` run; called once by the application. Steps fall on the server's whole seconds. */
export function startClock(): void {
  const step = (): void => {
    tick.value = serverNow();
    const toNextSecond = 1000 - ((serverNow() * 1000) % 1000);
    setTimeout(step, toNextSecond + 5);
  };
  step();
}
