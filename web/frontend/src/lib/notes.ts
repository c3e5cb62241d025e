/** Notes of a ring or an alarm, made here, so that there is no sound file to load. */

export interface Note {
  hertz: number;
  /** Seconds after the beginning. */
  at: number;
}

/** Play them once, each of the given length in seconds, as loud as `loudness` (1 is full scale). */
export function playNotes(context: AudioContext, notes: readonly Note[], seconds: number, loudness: number): void {
  for (const { hertz, at } of notes) {
    const start = context.currentTime + at;
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(loudness, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + seconds);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + seconds);
  }
}
