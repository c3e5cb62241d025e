/** Loudness out of WAV files, and out of what only pretends to be one. */
import { describe, expect, it } from "vitest";

import { peaksOf } from "@/lib/waveform";

/** A WAV of two channels: `left` and `right` hold one value for each frame. */
function wav(left: number[], right: number[], bits = 16): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(44 + left.length * 4));
  const write = (at: number, text: string): void =>
    [...text].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 2, true);
  view.setUint32(24, 8000, true);
  view.setUint16(34, bits, true);
  write(36, "data");
  view.setUint32(40, left.length * 4, true);
  left.forEach((value, index) => {
    view.setInt16(44 + index * 4, value, true);
    view.setInt16(46 + index * 4, right[index] ?? 0, true);
  });
  return view.buffer;
}

const level = (length: number, value: number): number[] => Array<number>(length).fill(value);

describe("a waveform", () => {
  it("keeps the two sides apart and in order", () => {
    const left = [...level(100, 0), ...level(100, 16_384)];
    const right = [...level(100, -32_768), ...level(100, 0)];
    expect(peaksOf(wav(left, right), 2)).toEqual([
      [0, 0.5],
      [1, 0],
    ]);
  });

  it("reads a file that was cut off", () => {
    expect(peaksOf(wav(level(100, 16_384), level(100, 0)).slice(0, 244), 1)).toEqual([[0.5], [0]]);
  });

  it("draws nothing of what is no 16-bit WAV", () => {
    expect(peaksOf(wav([], [], 8), 4)).toBeNull();
    expect(peaksOf(new ArrayBuffer(0), 4)).toBeNull();
    expect(peaksOf(new TextEncoder().encode("<html>".repeat(20)).buffer, 4)).toBeNull();
  });
});
