/**
 * The softphone as the desk knows it. One line, one call at a time. What stands behind it speaks
 * SIP straight to the PBX, so a call lives on while our server restarts.
 */
import type { SipAccount } from "@/api/types";

/** The registration: off, on its way, good, refused by the PBX, or lost and being restored. */
export type LineState = "off" | "connecting" | "registered" | "refused" | "lost";

export type PhoneCallState = "ringing" | "answering" | "talking";

export interface PhoneCall {
  readonly id: string;
  readonly number: string;
  readonly name: string;
  readonly state: PhoneCallState;
  /** The agent's microphone is off by the agent's wish. */
  readonly muted: boolean;
  /** The caller hears music. */
  readonly held: boolean;
  /** A hold or its end is being agreed with the PBX. */
  readonly holding: boolean;
  /** What `held` is to become: the agent's last wish, which may come while `holding`. */
  readonly holdWished: boolean;
}

export type PhoneTrouble =
  | { kind: "microphone"; cause: MicrophoneState }
  /** The microphone went away in the call; another one, or none, is in use since. */
  | { kind: "microphone_changed"; label: string }
  | { kind: "microphone_lost" }
  | { kind: "speaker_changed"; label: string }
  | { kind: "hold_failed" }
  | { kind: "resume_failed" }
  | { kind: "media_failed" }
  | { kind: "answer_failed"; cause: string };

/** Whether we have the microphone, else why not: forbidden, none there, another program has it, no TLS. */
export type MicrophoneState = "unknown" | "granted" | "refused" | "missing" | "busy" | "insecure";

export interface PhoneListener {
  line(state: LineState): void;
  /** The call in hand changed; null when it is over. */
  call(call: PhoneCall | null): void;
  trouble(trouble: PhoneTrouble): void;
}

export interface Phone {
  /** Register and stay registered until `stop`. */
  start(account: SipAccount): void;
  stop(): void;
  /** The network was away: see whether the PBX still answers, else connect and register anew. */
  prove(): void;
  /** Register anew: nobody reaches us, though we believe to be registered. */
  register(): void;
  /** Which microphone to take from now on, in a call at once; null leaves it to the browser. */
  useMicrophone(id: string | null): Promise<void>;
  answer(): Promise<void>;
  /** Refuse a ringing call with "busy here". */
  reject(): void;
  hangUp(): void;
  mute(muted: boolean): void;
  /** Hold or resume; while another is being agreed, after it. */
  hold(held: boolean): void;
  /** Send keys: 0-9, A-D, star, hash. */
  tones(keys: string): void;
}
