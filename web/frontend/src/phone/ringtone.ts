/** The ring: two soft notes, twice, then a pause. */
import { playNotes } from "@/lib/notes";

const NOTES = [
  { hertz: 659, at: 0 },
  { hertz: 880, at: 0.18 },
  { hertz: 659, at: 0.5 },
  { hertz: 880, at: 0.68 },
];
const PERIOD_MS = 2600;
const NOTE_SECONDS = 0.35;
const LOUDNESS = 0.18;

export class RingTone {
  private context: AudioContext | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;

  /** Browsers keep sounds off until the person touched the page. */
  get blocked(): boolean {
    return this.context?.state === "suspended";
  }

  /**
   * To be called from a click or key: from then on the browser lets sounds through. Where it does not
   * count as one, this waits for one that does.
   *
   * @returns whether they come through.
   */
  async unlock(): Promise<boolean> {
    this.context ??= new AudioContext();
    await this.context.resume();
    return this.context.state === "running";
  }

  start(): void {
    if (this.timer !== null) return;
    this.context ??= new AudioContext();
    this.play();
    this.timer = setInterval(() => this.play(), PERIOD_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private play(): void {
    const context = this.context;
    if (context?.state === "running") playNotes(context, NOTES, NOTE_SECONDS, LOUDNESS);
  }
}
