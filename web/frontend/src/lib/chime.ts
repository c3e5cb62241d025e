/** The sound of an alarm: two notes downwards, once. */
import { playNotes } from "@/lib/notes";

const NOTES = [
  { hertz: 880, at: 0 },
  { hertz: 587, at: 0.25 },
];
const NOTE_SECONDS = 0.5;
const LOUDNESS = 0.25;

export class Chime {
  private context: AudioContext | null = null;

  /** @returns whether the browser lets sounds through; if not, call again from a click. */
  async unlock(): Promise<boolean> {
    this.context ??= new AudioContext();
    // A browser that waits for a click leaves `resume` open: do not wait for it.
    await Promise.race([this.context.resume(), new Promise((next) => setTimeout(next, 200))]);
    return this.context.state === "running";
  }

  play(): void {
    const context = this.context;
    if (context?.state === "running") playNotes(context, NOTES, NOTE_SECONDS, LOUDNESS);
  }

  close(): void {
    void this.context?.close();
    this.context = null;
  }
}
