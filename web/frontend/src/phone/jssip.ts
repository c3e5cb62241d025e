/** The phone over JsSIP. What JsSIP does by itself and we must not let stand is said where it is. */
import JsSIP from "jssip";
import type {
  EndEvent,
  IceCandidateEvent,
  PeerConnectionEvent,
  RTCSession,
  TerminateOptions,
} from "jssip/lib/RTCSession";
import type { Socket } from "jssip/lib/Socket";
import type { IncomingRTCSessionEvent, OutgoingRTCSessionEvent, UA } from "jssip/lib/UA";

import type { SipAccount } from "@/api/types";
import { plain } from "@/lib/plain";

import { MicrophoneGate, NoMicrophone, openMicrophone } from "./microphone";
import type { LineState, Phone, PhoneCall, PhoneListener } from "./phone";

const REGISTER_SECONDS = 120;
const ICE_CAP_MS = 500;
const BUSY_HERE = 486;
const FINAL_REFUSALS = new Set([401, 403, 404, 407]);

/** What JsSIP says when it ends a call because a re-INVITE was refused. */
const HOLD_FAILED = "Hold Failed";
const RESUME_FAILED = "Unhold Failed";

/** So long the PBX may take to say that it is there. */
const PROOF_MS = 4000;
/** A goodbye that nobody answers is repeated for 32 s (RFC 3261, timer F); so long the call is known. */
const GOODBYE_LOST_MS = 35_000;
const UNANSWERED = new Set<string>([JsSIP.C.causes.REQUEST_TIMEOUT, JsSIP.C.causes.CONNECTION_ERROR]);

/** What JsSIP has and its types leave out. */
interface Asking {
  sendOptions(target: string, body: string, options: { eventHandlers: object }): void;
}

interface Requesting {
  readonly contact: string;
  sendRequest(
    method: string,
    options: { extraHeaders: string[]; eventHandlers: { onDialogError(): void } },
  ): void;
}

type MakeUA = (account: SipAccount, socket: Socket) => UA;

function makeUA(account: SipAccount, socket: Socket): UA {
  return new JsSIP.UA({
    sockets: [socket],
    uri: account.uri,
    authorization_user: account.user,
    password: account.password,
    register: true,
    register_expires: REGISTER_SECONDS,
    session_timers: false,
    connection_recovery_min_interval: 1,
    connection_recovery_max_interval: 8,
    user_agent: "zuoxi",
  });
}

/**
 * Offer at a hold what was agreed on at the answer, not every codec of the browser: Asterisk up to
 * 22.10 may drop a call whose re-INVITE changes the set (its issue 2059).
 */
function keepCodecs(connection: RTCPeerConnection | undefined): void {
  for (const transceiver of connection?.getTransceivers() ?? []) {
    const agreed = new Set(transceiver.sender.getParameters().codecs.map(nameOf));
    const all = RTCRtpReceiver.getCapabilities(transceiver.receiver.track.kind)?.codecs ?? [];
    const kept = all.filter((codec) => agreed.has(nameOf(codec)));
    if (kept.length > 0) transceiver.setCodecPreferences(kept);
  }
}

const nameOf = ({ mimeType, clockRate }: { mimeType: string; clockRate: number }): string =>
  `${mimeType.toLowerCase()}/${String(clockRate)}`;

export class JsSipPhone implements Phone {
  private ua: UA | null = null;
  private socket: Socket | null = null;
  private account: SipAccount | null = null;
  private session: RTCSession | null = null;
  private current: PhoneCall | null = null;
  private readonly gate = new MicrophoneGate();
  private microphone: string | null = null;

  /**
   * @param audio plays the caller.
   * @param make builds the user agent; tests give another.
   */
  constructor(
    private readonly listener: PhoneListener,
    private readonly audio: HTMLAudioElement,
    private readonly make: MakeUA = makeUA,
  ) {}

  start(account: SipAccount): void {
    this.stop();
    const socket = new JsSIP.WebSocketInterface(account.ws_url);
    const ua = this.make(account, socket);
    this.ua = ua;
    this.socket = socket;
    this.account = account;
    this.listener.line("connecting");
    const line = (state: LineState): void => {
      if (this.ua === ua) this.listener.line(state);
    };
    ua.on("connecting", () => line("connecting"));
    ua.on("registered", () => {
      line("registered");
      if (this.ua !== ua) return;
      this.proveCall();
      this.bringHoldInStep();
      setTimeout(() => this.ua === ua && this.proveCall(), GOODBYE_LOST_MS);
    });
    ua.on("unregistered", () => line("lost"));
    ua.on("disconnected", () => line("lost"));
    ua.on("registrationFailed", (event) => {
      line(FINAL_REFUSALS.has(event.response?.status_code) ? "refused" : "lost");
    });
    ua.on("newRTCSession", (event: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) => {
      if (event.session.direction === "incoming") this.ring(event.session);
    });
    ua.start();
  }

  stop(): void {
    const ua = this.ua;
    this.ua = null;
    ua?.stop();
    this.listener.line("off");
  }

  async answer(): Promise<void> {
    const session = this.session;
    if (!session || this.current?.state !== "ringing") return;
    this.change({ state: "answering" });
    let stream: MediaStream;
    try {
      stream = await openMicrophone(this.microphone);
    } catch (error) {
      if (!(error instanceof NoMicrophone)) throw error;
      this.listener.trouble({ kind: "microphone", cause: error.state });
      if (this.session === session) this.change({ state: "ringing" });
      return;
    }
    if (this.session !== session) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.gate.guard(stream.getAudioTracks());
    this.replaceWhenLost(session, stream);
    session.answer({ mediaStream: stream, pcConfig: { iceServers: [] } });
  }

  prove(): void {
    const { ua, socket, account } = this;
    if (!ua?.isConnected() || !socket || !account) return; // JsSIP is at it already.
    // JsSIP believes in a socket until the browser closes it, which can take a quarter of an hour.
    const drop = (): void => {
      clearTimeout(timer);
      if (this.ua !== ua || !ua.isConnected()) return;
      socket.disconnect();
      socket.ondisconnect(true);
    };
    const timer = setTimeout(drop, PROOF_MS);
    const proven = (): void => {
      clearTimeout(timer);
      if (this.ua === ua) this.bringHoldInStep();
    };
    (ua as UA & Asking).sendOptions(account.uri, "", {
      eventHandlers: {
        succeeded: proven,
        failed: ({ cause }: { cause: string }) => (UNANSWERED.has(cause) ? drop() : proven()),
      },
    });
  }

  /**
   * The PBX's goodbye is lost where the network was away: ask whether it still knows our call. By an
   * UPDATE that changes nothing; OPTIONS is answered for calls that are no more, too.
   */
  private proveCall(): void {
    const session = this.session;
    if (!session || this.current?.state !== "talking") return;
    const requesting = session as RTCSession & Requesting;
    requesting.sendRequest(JsSIP.C.UPDATE, {
      extraHeaders: [`Contact: ${requesting.contact}`],
      eventHandlers: { onDialogError: () => session.terminate() },
    });
  }

  register(): void {
    if (this.ua?.isConnected()) this.ua.register();
  }

  async useMicrophone(id: string | null): Promise<void> {
    if (this.microphone === id) return;
    this.microphone = id;
    const session = this.session;
    if (!session || this.current?.state !== "talking") return;
    try {
      await this.switchMicrophone(session);
    } catch (error) {
      if (!(error instanceof NoMicrophone)) throw error;
      this.listener.trouble({ kind: "microphone", cause: error.state });
    }
  }

  /**
   * Talk on with the microphone that is wished or left; the old one stays where that fails.
   *
   * @returns its name.
   * @throws NoMicrophone
   */
  private async switchMicrophone(session: RTCSession): Promise<string> {
    const stream = await openMicrophone(this.microphone);
    const [track] = stream.getAudioTracks();
    const sender = session.connection?.getSenders().find((each) => each.track?.kind === "audio");
    if (this.session !== session || !track || !sender) {
      stream.getTracks().forEach((each) => each.stop());
      throw new NoMicrophone("missing");
    }
    await sender.replaceTrack(track);
    this.gate.replace([track]);
    this.replaceWhenLost(session, stream);
    return track.label;
  }

  /** A track that we stop ourselves does not tell of its end: these were unplugged. */
  private replaceWhenLost(session: RTCSession, stream: MediaStream): void {
    const replace = async (): Promise<void> => {
      if (this.session !== session) return;
      try {
        const label = await this.switchMicrophone(session);
        this.listener.trouble({ kind: "microphone_changed", label });
      } catch (error) {
        if (!(error instanceof NoMicrophone)) throw error;
        if (this.session === session) this.listener.trouble({ kind: "microphone_lost" });
      }
    };
    for (const track of stream.getAudioTracks()) {
      track.addEventListener("ended", () => void replace());
    }
  }

  reject(): void {
    this.session?.terminate({ status_code: BUSY_HERE });
  }

  hangUp(): void {
    this.session?.terminate();
  }

  mute(muted: boolean): void {
    if (this.current?.state !== "talking") return;
    this.gate.set({ muted });
    this.change({ muted });
  }

  hold(held: boolean): void {
    if (this.current?.state !== "talking") return;
    this.change({ holdWished: held });
    this.followWish();
  }

  /** One re-INVITE at a time: a wish that comes while one is under way is carried out after it. */
  private followWish(): void {
    const session = this.session;
    if (!session || !this.current || this.current.holding) return;
    const held = this.current.holdWished;
    if (held === this.current.held) return;
    if (held) this.gate.set({ held });
    const agreed = (): void => {
      this.gate.set({ held: held || (this.current?.holdWished ?? false) });
      this.change({ held, holding: false });
      this.followWish();
    };
    this.change({ holding: true });
    // Over a lost line there is nobody to ask, and JsSIP ends a call over a request that it cannot send.
    const sent =
      this.ua?.isConnected() === true &&
      (held ? session.hold({}, agreed) : session.unhold({}, agreed));
    this.gate.apply();
    if (!sent) this.refused(held);
  }

  tones(keys: string): void {
    if (this.current?.state !== "talking") return;
    this.session?.sendDTMF(keys, { transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833 });
  }

  private ring(session: RTCSession): void {
    if (this.session) {
      session.terminate({ status_code: BUSY_HERE });
      return;
    }
    this.session = session;
    this.keepCallOverFailedHold(session);
    session.on("peerconnection", (event: PeerConnectionEvent) => this.listen(event));
    session.on("icecandidate", this.capGathering());
    session.on("accepted", () => {
      keepCodecs(session.connection);
      this.change({ state: "talking" });
    });
    session.on("failed", (event: EndEvent) => this.over(session, event));
    session.on("ended", () => this.over(session));
    this.guardMicrophone(session);
    const identity = session.remote_identity;
    this.current = {
      id: session.id,
      number: plain(identity.uri.user),
      name: plain(identity.display_name ?? ""),
      state: "ringing",
      muted: false,
      held: false,
      holding: false,
      holdWished: false,
    };
    this.listener.call(this.current);
  }

  /**
   * JsSIP enables the tracks itself when either side ends a hold (its issue 977). It tells of each
   * such moment in the same turn, so the gate closes again before a sample is sent.
   */
  private guardMicrophone(session: RTCSession): void {
    const again = (): void => this.gate.apply();
    session.on("hold", again);
    session.on("unhold", again);
    session.on("muted", again);
    session.on("unmuted", again);
    session.on("accepted", again);
    session.on("confirmed", again);
    session.on("sdp", again);
  }

  /**
   * JsSIP ends the call when a re-INVITE for hold is refused (a glare is enough), and when none gets
   * through, as the line is lost. Ours goes on.
   */
  private keepCallOverFailedHold(session: RTCSession): void {
    const terminate = session.terminate.bind(session);
    session.terminate = (options?: TerminateOptions) => {
      const reason = options?.reason_phrase;
      if (reason === HOLD_FAILED) this.refused(true);
      else if (reason === RESUME_FAILED) this.refused(false);
      else if (this.current?.state === "talking" && UNANSWERED.has(reason ?? "")) this.unheard();
      else terminate(options);
    };
  }

  /** Nobody knows whether the PBX holds: it is told again when the line is back. */
  private unheard(): void {
    if (this.current?.holding) this.giveUp(!this.current.held);
    this.prove();
  }

  /** Where JsSIP counts a hold as done, or as ended, that is not: have it and the PBX undo that. */
  private bringHoldInStep(): void {
    const session = this.session;
    if (!session || this.current?.state !== "talking" || this.current.holding) return;
    if (!this.ua?.isConnected()) return;
    const { held } = this.current;
    if (session.isOnHold().local === held) return;
    if (held) session.hold();
    else session.unhold();
    this.gate.apply();
  }

  /**
   * The PBX did not agree. A hold that failed leaves the microphone muted, where the agent still
   * means not to be heard; a resume that failed leaves the call held.
   */
  private refused(wanted: boolean): void {
    if (!this.current?.holding) return;
    this.giveUp(wanted);
    this.bringHoldInStep();
  }

  private giveUp(wanted: boolean): void {
    if (!this.current) return;
    const held = !wanted;
    const muted = this.current.muted || (wanted && this.current.holdWished);
    this.gate.set({ held, muted });
    this.change({ held, muted, holding: false, holdWished: held });
    this.listener.trouble({ kind: wanted ? "hold_failed" : "resume_failed" });
  }

  private listen({ peerconnection }: PeerConnectionEvent): void {
    peerconnection.addEventListener("track", (event) => {
      this.audio.srcObject = event.streams[0] ?? new MediaStream([event.track]);
    });
    peerconnection.addEventListener("iceconnectionstatechange", () => {
      if (peerconnection.iceConnectionState === "failed") {
        this.listener.trouble({ kind: "media_failed" });
      }
    });
  }

  /** Candidates of far interfaces can take many seconds; the near ones come at once. */
  private capGathering(): (event: IceCandidateEvent) => void {
    let started = false;
    return ({ ready }) => {
      if (!started) setTimeout(ready, ICE_CAP_MS);
      started = true;
    };
  }

  private over(session: RTCSession, failed?: EndEvent): void {
    if (this.session !== session) return;
    if (failed && this.current?.state === "answering" && failed.originator !== "remote") {
      this.listener.trouble({ kind: "answer_failed", cause: failed.cause });
    }
    this.session = null;
    this.current = null;
    this.gate.release();
    this.audio.srcObject = null;
    this.listener.call(null);
  }

  private change(change: Partial<PhoneCall>): void {
    if (!this.current) return;
    this.current = { ...this.current, ...change };
    this.listener.call(this.current);
  }
}
