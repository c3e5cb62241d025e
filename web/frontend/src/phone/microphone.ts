/**
 * The microphone and its one gate. Whether the caller hears the agent is decided here alone: SIP
 * libraries open tracks by themselves when a peer ends its hold.
 */
import type { MicrophoneState } from "./phone";

const CONSTRAINTS: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};
const STATES: Partial<Record<string, MicrophoneState>> = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The browser gave no microphone; `state` says why. */
export class NoMicrophone extends Error {
  constructor(readonly state: MicrophoneState) {
    super(`no microphone: ${state}`);
    this.name = "NoMicrophone";
  }
}

function reasonOf(error: unknown): MicrophoneState {
  return STATES[error instanceof DOMException ? error.name : ""] ?? "missing";
}

/**
 * @param id the wished one; where it is not there, another.
 * @throws NoMicrophone
 */
export async function openMicrophone(id: string | null = null): Promise<MediaStream> {
  // Outside of a secure context there is no mediaDevices at all.
  if (!("mediaDevices" in navigator)) throw new NoMicrophone("insecure");
  try {
    return await openOneOf(id === null ? [{}] : [{ deviceId: { exact: id } }, {}]);
  } catch (error) {
    throw new NoMicrophone(reasonOf(error));
  }
}

/** The first that is there. A mere wish is not always heeded by Chromium. */
async function openOneOf([first, ...others]: MediaTrackConstraints[]): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...CONSTRAINTS, ...first } });
  } catch (error) {
    if (others.length === 0 || reasonOf(error) !== "missing") throw error;
    return openOneOf(others);
  }
}

/** Ask for the microphone and let go of it again: the question comes now, not as a caller waits. */
export async function tryMicrophone(id: string | null = null): Promise<MicrophoneState> {
  try {
    const stream = await openMicrophone(id);
    stream.getTracks().forEach((track) => track.stop());
    return "granted";
  } catch (error) {
    if (error instanceof NoMicrophone) return error.state;
    throw error;
  }
}

/** Open only while nobody wants it shut. */
export class MicrophoneGate {
  private tracks: readonly MediaStreamTrack[] = [];
  private muted = false;
  private held = false;

  /** Take charge of these tracks, open. */
  guard(tracks: readonly MediaStreamTrack[]): void {
    this.tracks = tracks;
    this.muted = false;
    this.held = false;
    this.apply();
  }

  /** Go on with these tracks instead, as open or shut as the others were. */
  replace(tracks: readonly MediaStreamTrack[]): void {
    this.release();
    this.tracks = tracks;
    this.apply();
  }

  set(change: { muted?: boolean; held?: boolean }): void {
    this.muted = change.muted ?? this.muted;
    this.held = change.held ?? this.held;
    this.apply();
  }

  get open(): boolean {
    return !this.muted && !this.held;
  }

  /** Put the tracks where they belong, whatever anyone else did to them. */
  apply(): void {
    for (const track of this.tracks) track.enabled = this.open;
  }

  /** Let go of the microphone. */
  release(): void {
    for (const track of this.tracks) track.stop();
    this.tracks = [];
  }
}
