/** Sounds for checking a speaker: a tone, and what the microphone just heard. */

const NOTES = [523, 659, 784];
const NOTE_SECONDS = 0.28;
const LOUDNESS = 0.25;

/** Play what `fill` puts in; ends `seconds` later. An empty `speaker` is the system's own. */
async function play(
  speaker: string,
  seconds: number,
  fill: (context: AudioContext, to: AudioNode) => void,
): Promise<void> {
  const context = new AudioContext();
  const audio = new Audio();
  try {
    const out = context.createMediaStreamDestination();
    audio.srcObject = out.stream;
    if ("setSinkId" in audio) await audio.setSinkId(speaker);
    await audio.play();
    fill(context, out);
    await new Promise((done) => setTimeout(done, seconds * 1000));
  } finally {
    audio.srcObject = null;
    await context.close();
  }
}

/** Three rising notes. */
export function playTone(speaker: string): Promise<void> {
  return play(speaker, NOTES.length * NOTE_SECONDS + 0.2, (context, to) => {
    NOTES.forEach((hertz, place) => {
      const start = context.currentTime + place * NOTE_SECONDS;
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, start);
      volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + NOTE_SECONDS);
      tone.connect(volume).connect(to);
      tone.start(start);
      tone.stop(start + NOTE_SECONDS);
    });
  });
}

/** Write down what comes in for so long. */
export async function record(stream: MediaStream, seconds: number): Promise<Blob> {
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  setTimeout(() => recorder.state === "recording" && recorder.stop(), seconds * 1000);
  await stopped;
  return new Blob(parts, { type: recorder.mimeType });
}

/** Play what was recorded. */
export async function playBack(speaker: string, recording: Blob): Promise<void> {
  const data = await recording.arrayBuffer();
  const decoding = new OfflineAudioContext(1, 1, 48_000);
  const sound = await decoding.decodeAudioData(data);
  await play(speaker, sound.duration, (context, to) => {
    const source = context.createBufferSource();
    source.buffer = sound;
    source.connect(to);
    source.start();
  });
}
