/** Reads the loudness over time out of a WAV file, one row for each channel. Pure. */

/** A recording is two channels of 8 kHz and 16 bits; anything else is not drawn. */
const PCM = 1;
const BYTES = 2;
const FULL_SCALE = 32_768;
/** Speech changes slower than this many samples: looking at every one of them would gain nothing. */
const STRIDE = 4;

interface Wav {
  channels: number;
  rate: number;
  from: number;
  to: number;
}

function header(view: DataView): Wav | null {
  const tag = (at: number): string =>
    String.fromCharCode(...[0, 1, 2, 3].map((offset) => view.getUint8(at + offset)));
  if (view.byteLength < 44 || tag(0) !== "RIFF" || tag(8) !== "WAVE") return null;
  let channels = 0;
  let rate = 0;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const length = view.getUint32(at + 4, true);
    if (tag(at) === "fmt ") {
      if (view.getUint16(at + 8, true) !== PCM || view.getUint16(at + 22, true) !== 8 * BYTES) return null;
      channels = view.getUint16(at + 10, true);
      rate = view.getUint32(at + 12, true);
    } else if (tag(at) === "data") {
      const to = Math.min(view.byteLength, at + 8 + length);
      return channels > 0 ? { channels, rate, from: at + 8, to } : null;
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

/**
 * @param buckets how many figures for each channel.
 * @returns peaks of 0..1, null when it is no 16-bit WAV.
 */
export function peaksOf(file: ArrayBuffer, buckets: number): number[][] | null {
  const view = new DataView(file);
  const wav = header(view);
  if (!wav) return null;
  const frame = wav.channels * BYTES;
  const frames = Math.floor((wav.to - wav.from) / frame);
  return Array.from({ length: wav.channels }, (_, channel) =>
    Array.from({ length: buckets }, (_unused, bucket) => {
      const last = Math.floor(((bucket + 1) * frames) / buckets);
      let peak = 0;
      for (let index = Math.floor((bucket * frames) / buckets); index < last; index += STRIDE) {
        const sample = view.getInt16(wav.from + index * frame + channel * BYTES, true);
        peak = Math.max(peak, Math.abs(sample));
      }
      return peak / FULL_SCALE;
    }),
  );
}
