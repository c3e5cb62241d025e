/** Our phone over a JsSIP that misbehaves as the real one does. */
import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Socket } from "jssip/lib/Socket";

import { JsSipPhone } from "@/phone/jssip";
import { MicrophoneGate } from "@/phone/microphone";
import type { PhoneCall, PhoneTrouble } from "@/phone/phone";

type Handler = (event: never) => void;

class Emitter {
  private readonly handlers = new Map<string, Handler[]>();

  on(name: string, handler: Handler): this {
    this.handlers.set(name, [...(this.handlers.get(name) ?? []), handler]);
    return this;
  }

  emit(name: string, event: unknown = {}): void {
    for (const handler of this.handlers.get(name) ?? []) handler(event as never);
  }
}

const track = { kind: "audio", enabled: true, stop: vi.fn(), addEventListener: vi.fn() };
const stream = { getAudioTracks: () => [track], getTracks: () => [track] };
const other = {
  ...{ kind: "audio", enabled: true, label: "Desk microphone" },
  ...{ stop: vi.fn(), addEventListener: vi.fn() },
};
const otherStream = { getAudioTracks: () => [other], getTracks: () => [other] };

/** The browser says that this track's device was pulled out. */
function unplug(pulled: typeof track): void {
  for (const [name, handler] of pulled.addEventListener.mock.calls as [string, () => void][]) {
    if (name === "ended") handler();
  }
}

/** Toggles the track by itself and ends the call when a hold fails, as JsSIP 3.13 does. */
class FakeSession extends Emitter {
  id = "call-1";
  direction = "incoming";
  remote_identity = { uri: { user: "13800005678" }, display_name: "Ouyang" };
  ended = false;
  local = false;
  holds: { wanted: boolean; done: (() => void) | undefined }[] = [];
  answered: unknown = null;
  endedWith: unknown = null;
  busy = false;
  sender = { track, replaceTrack: vi.fn().mockResolvedValue(undefined) };
  connection = { getSenders: () => [this.sender], getTransceivers: () => [] };

  answer(options: unknown): void {
    this.answered = options;
  }

  terminate(options: { reason_phrase?: string; status_code?: number } = {}): void {
    this.ended = true;
    this.endedWith = options;
    this.emit("ended");
  }

  isOnHold(): { local: boolean; remote: boolean } {
    return { local: this.local, remote: false };
  }

  hold(_options?: object, done?: () => void): boolean {
    return this.renegotiate(true, done);
  }

  unhold(_options?: object, done?: () => void): boolean {
    return this.renegotiate(false, done);
  }

  sendDTMF = vi.fn();
  sendRequest = vi.fn();

  private renegotiate(wanted: boolean, done?: () => void): boolean {
    if (this.busy || this.local === wanted) return false;
    this.local = wanted;
    track.enabled = !wanted;
    this.emit(wanted ? "hold" : "unhold");
    this.holds.push({ wanted, done });
    return true;
  }

  agrees(): void {
    this.holds.pop()?.done?.();
  }

  refuses(): void {
    const { wanted } = this.holds.pop() as { wanted: boolean };
    this.terminate({ reason_phrase: wanted ? "Hold Failed" : "Unhold Failed" });
  }

  /** The line was lost with the request, or nobody answered it. */
  isUnheard(cause: string): void {
    this.holds.pop();
    this.terminate({ status_code: 500, reason_phrase: cause });
  }

  peerEndsItsHold(): void {
    track.enabled = true;
    this.emit("unhold", { originator: "remote" });
  }
}

class FakeUA extends Emitter {
  start = vi.fn();
  stop = vi.fn();
  connected = true;
  isConnected = (): boolean => this.connected;
  sendOptions = vi.fn();
  register = vi.fn();
}

function phone() {
  const ua = new FakeUA();
  const wire: { socket: Socket | null } = { socket: null };
  const calls: (PhoneCall | null)[] = [];
  const troubles: PhoneTrouble[] = [];
  const lines: string[] = [];
  const audio = { srcObject: null } as HTMLAudioElement;
  const made = new JsSipPhone(
    {
      call: (call) => calls.push(call),
      line: (line) => lines.push(line),
      trouble: (trouble) => troubles.push(trouble),
    },
    audio,
    (_account, socket) => {
      wire.socket = socket;
      return ua as never;
    },
  );
  made.start({ uri: "sip:8001@pbx", ws_url: "ws://pbx/ws", user: "8001", password: "x" });
  const session = new FakeSession();
  const now = (): PhoneCall | null => calls.at(-1) ?? null;
  return { made, ua, wire, session, calls, troubles, lines, now };
}

async function talking(microphone: string | null = null) {
  const parts = phone();
  await parts.made.useMicrophone(microphone);
  parts.ua.emit("newRTCSession", { session: parts.session });
  await parts.made.answer();
  parts.session.emit("accepted");
  return parts;
}

beforeEach(() => {
  vi.useRealTimers();
  track.enabled = true;
  track.stop.mockClear();
  track.addEventListener.mockClear();
  other.enabled = true;
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: () => Promise.resolve(stream) } });
});

describe("the line after the network was away", () => {
  function asked() {
    vi.useFakeTimers();
    const parts = phone();
    const socket = parts.wire.socket as Socket;
    socket.disconnect = vi.fn();
    socket.ondisconnect = vi.fn();
    parts.made.prove();
    const [, , { eventHandlers }] = parts.ua.sendOptions.mock.lastCall as [
      string,
      string,
      { eventHandlers: { succeeded(): void; failed(event: { cause: string }): void } },
    ];
    return { ...parts, socket, eventHandlers };
  }

  it.each([
    ["answers", ({ succeeded }: { succeeded(): void }) => succeeded()],
    ["refuses", ({ failed }: { failed(event: { cause: string }): void }) => failed({ cause: "Rejected" })],
  ])("stays where the PBX %s", (_what, answer) => {
    const { socket, eventHandlers } = asked();
    answer(eventHandlers);
    vi.advanceTimersByTime(60_000);
    expect(socket.disconnect).not.toHaveBeenCalled();
  });

  it("is made anew where nobody answers for four seconds", () => {
    const { socket } = asked();
    vi.advanceTimersByTime(4000);
    expect(socket.disconnect).toHaveBeenCalledTimes(1);
    expect(socket.ondisconnect).toHaveBeenCalledWith(true);
  });

  it("is left to JsSIP where it is known to be lost", () => {
    const { made, ua } = phone();
    ua.connected = false;
    made.prove();
    made.register();
    expect(ua.sendOptions).not.toHaveBeenCalled();
    expect(ua.register).not.toHaveBeenCalled();
    ua.connected = true;
    made.register();
    expect(ua.register).toHaveBeenCalledTimes(1);
  });
});

describe("a call over which the line was lost", () => {
  async function asked() {
    const parts = phone();
    parts.ua.emit("newRTCSession", { session: parts.session });
    parts.ua.emit("registered");
    expect(parts.session.sendRequest).not.toHaveBeenCalled(); // nothing to ask for while it rings
    await parts.made.answer();
    parts.session.emit("accepted");
    parts.ua.emit("registered");
    const [method, { eventHandlers }] = parts.session.sendRequest.mock.lastCall as [
      string,
      { eventHandlers: { onDialogError(): void } },
    ];
    expect(method).toBe("UPDATE");
    return { ...parts, eventHandlers };
  }

  it("goes on where the PBX knows it, who is asked again when a lost goodbye is given up", async () => {
    vi.useFakeTimers();
    const { session } = await asked();
    vi.advanceTimersByTime(35_000);
    expect(session.sendRequest).toHaveBeenCalledTimes(3); // twice for the last, once for the first
    expect(session.ended).toBe(false);
  });

  it("is over where the PBX does not", async () => {
    const { session, calls, eventHandlers } = await asked();
    eventHandlers.onDialogError();
    expect(session.ended).toBe(true);
    expect(calls.at(-1)).toBeNull();
  });
});

describe("the phone", () => {
  it("takes the chosen microphone, and changes it in a call as shut as it was", async () => {
    const getUserMedia = vi.fn().mockResolvedValueOnce(stream).mockResolvedValue(otherStream);
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    const { made, session, now } = await talking("headset");
    expect(getUserMedia.mock.lastCall?.[0]).toMatchObject({ audio: { deviceId: { exact: "headset" } } });
    made.mute(true);
    await made.useMicrophone("desk");
    expect(getUserMedia.mock.lastCall?.[0]).toMatchObject({ audio: { deviceId: { exact: "desk" } } });
    expect(session.sender.replaceTrack).toHaveBeenCalledWith(other);
    expect(track.stop).toHaveBeenCalled();
    expect(other.enabled).toBe(false);
    made.mute(false);
    expect(other.enabled).toBe(true);
    expect(now()?.state).toBe("talking");
  });

  it("talks on with another microphone when one is unplugged, and says so", async () => {
    const getUserMedia = vi.fn().mockResolvedValueOnce(stream).mockResolvedValue(otherStream);
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    const { session, troubles } = await talking();
    unplug(track);
    await vi.waitFor(() => expect(troubles).toHaveLength(1));
    expect(session.sender.replaceTrack).toHaveBeenCalledWith(other);
    expect(troubles).toEqual([{ kind: "microphone_changed", label: "Desk microphone" }]);
  });

  it("says when the last microphone is unplugged; the call goes on", async () => {
    const none = new DOMException("none", "NotFoundError");
    const getUserMedia = vi.fn().mockResolvedValueOnce(stream).mockRejectedValue(none);
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    const { session, troubles, now } = await talking();
    unplug(track);
    await vi.waitFor(() => expect(troubles).toEqual([{ kind: "microphone_lost" }]));
    expect(session.ended).toBe(false);
    expect(now()?.state).toBe("talking");
  });

  it("rings with what SIP says of the caller, answers with the microphone, asks no STUN", async () => {
    const { made, ua, session, now } = phone();
    ua.emit("newRTCSession", { session });
    expect(now()).toMatchObject({ state: "ringing", number: "13800005678", name: "Ouyang" });
    await made.answer();
    expect(session.answered).toEqual({ mediaStream: stream, pcConfig: { iceServers: [] } });
    session.emit("accepted");
    expect(now()?.state).toBe("talking");
  });

  it("takes one call at a time: a second one hears busy", async () => {
    const { ua, now } = await talking();
    const second = new FakeSession();
    ua.emit("newRTCSession", { session: second });
    expect(second.endedWith).toEqual({ status_code: 486 });
    expect(now()?.state).toBe("talking");
  });

  it("goes on ringing and says why when the microphone is refused", async () => {
    const refuse = (): Promise<never> => Promise.reject(new DOMException("no", "NotAllowedError"));
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: refuse } });
    const { made, ua, session, troubles, now } = phone();
    ua.emit("newRTCSession", { session });
    await made.answer();
    expect(troubles).toEqual([{ kind: "microphone", cause: "refused" }]);
    expect(now()?.state).toBe("ringing");
    expect(session.answered).toBeNull();
  });

  it("lets go of the microphone when the caller leaves while it opens", async () => {
    const { made, ua, session } = phone();
    ua.emit("newRTCSession", { session });
    const answering = made.answer();
    session.emit("failed", { originator: "remote", cause: "Canceled" });
    await answering;
    expect(track.stop).toHaveBeenCalled();
    expect(session.answered).toBeNull();
  });

  it("keeps the microphone shut when the peer ends its hold while the agent is muted", async () => {
    const { made, session } = await talking();
    made.mute(true);
    session.peerEndsItsHold();
    expect(track.enabled).toBe(false);
    made.mute(false);
    expect(track.enabled).toBe(true);
  });

  it("keeps the microphone shut when the peer ends its hold while the agent holds", async () => {
    const { made, session } = await talking();
    made.hold(true);
    session.agrees();
    session.peerEndsItsHold();
    expect(track.enabled).toBe(false);
  });

  it("shuts the microphone as the hold is asked for and opens it as its end is agreed", async () => {
    const { made, session, now } = await talking();
    made.hold(true);
    expect(track.enabled).toBe(false);
    expect(now()).toMatchObject({ held: false, holding: true });
    session.agrees();
    expect(now()).toMatchObject({ held: true, holding: false });
    made.hold(false);
    expect(track.enabled).toBe(false);
    session.agrees();
    expect(track.enabled).toBe(true);
    expect(now()?.held).toBe(false);
  });

  it("carries out the last wish when the hold under way is agreed", async () => {
    const { made, session, now } = await talking();
    made.hold(true);
    made.hold(false);
    expect(now()).toMatchObject({ held: false, holding: true, holdWished: false });
    expect(session.holds.length).toBe(1);
    session.agrees();
    expect(now()).toMatchObject({ held: true, holding: true });
    expect(track.enabled).toBe(false);
    session.agrees();
    expect(now()).toMatchObject({ held: false, holding: false });
    expect(track.enabled).toBe(true);
  });

  it("asks no more than needed for a wish that was taken back", async () => {
    const { made, session, now } = await talking();
    made.hold(true);
    made.hold(false);
    made.hold(true);
    session.agrees();
    expect(now()).toMatchObject({ held: true, holding: false });
    expect(session.holds).toEqual([]);
  });

  it("opens the microphone for no sample when the next hold is already wished", async () => {
    const { made, session, now } = await talking();
    made.hold(true);
    session.agrees();
    made.hold(false);
    made.hold(true);
    session.agrees();
    expect(track.enabled).toBe(false);
    session.agrees();
    expect(now()).toMatchObject({ held: true, holding: false });
  });

  it("leaves the microphone open when a refused hold is no longer wished", async () => {
    const { made, session, now } = await talking();
    made.hold(true);
    made.hold(false);
    session.refuses();
    expect(now()).toMatchObject({ held: false, muted: false, holding: false, holdWished: false });
    expect(track.enabled).toBe(true);
  });

  it("keeps the call over a refused hold, muted, and can hold again", async () => {
    const { made, session, troubles, now } = await talking();
    made.hold(true);
    session.refuses();
    expect(session.ended).toBe(false);
    expect(troubles).toEqual([{ kind: "hold_failed" }]);
    expect(now()).toMatchObject({ held: false, muted: true, holding: false });
    expect(track.enabled).toBe(false);
    session.agrees(); // the re-INVITE that brings the PBX back in step
    made.hold(true);
    session.agrees();
    expect(now()?.held).toBe(true);
  });

  it("keeps the call held over a refused resume", async () => {
    const { made, session, troubles, now } = await talking();
    made.hold(true);
    session.agrees();
    made.hold(false);
    session.refuses();
    expect(session.ended).toBe(false);
    expect(now()).toMatchObject({ held: true, holding: false });
    expect(track.enabled).toBe(false);
    expect(troubles).toEqual([{ kind: "resume_failed" }]);
  });

  it("says so when a hold cannot even be asked for", async () => {
    const { made, session, troubles, now } = await talking();
    session.busy = true;
    made.hold(true);
    expect(troubles).toEqual([{ kind: "hold_failed" }]);
    expect(now()?.holding).toBe(false);
  });

  it("asks for no hold over a lost line: the call would end with the request", async () => {
    const { made, ua, session, troubles, now } = await talking();
    ua.connected = false;
    made.hold(true);
    expect(session.holds).toEqual([]);
    expect(troubles).toEqual([{ kind: "hold_failed" }]);
    expect(now()).toMatchObject({ held: false, muted: true, holding: false, holdWished: false });
    expect(track.enabled).toBe(false);
    ua.connected = true;
    ua.emit("registered");
    expect(session.holds).toEqual([]);
  });

  it.each(["Connection Error", "Request Timeout"])(
    "keeps the call over a hold that did not get through (%s), and undoes it when the line is back",
    async (cause) => {
      const { made, ua, session, troubles, now } = await talking();
      made.hold(true);
      ua.connected = false;
      session.isUnheard(cause);
      expect(session.ended).toBe(false);
      expect(troubles).toEqual([{ kind: "hold_failed" }]);
      expect(now()).toMatchObject({ held: false, muted: true, holding: false });
      ua.connected = true;
      ua.emit("registered");
      expect(session.holds).toMatchObject([{ wanted: false }]);
      expect(track.enabled).toBe(false);
      session.isUnheard(cause); // not even that
      expect(session.ended).toBe(false);
      made.hangUp();
      expect(session.ended).toBe(true);
    },
  );

  it("keeps a call held whose resume did not get through, and asks whether the line is there", async () => {
    const { made, ua, session, troubles, now } = await talking();
    made.hold(true);
    session.agrees();
    made.hold(false);
    session.isUnheard("Request Timeout");
    expect(troubles).toEqual([{ kind: "resume_failed" }]);
    expect(now()).toMatchObject({ held: true, holding: false });
    const [, , { eventHandlers }] = ua.sendOptions.mock.lastCall as [string, string, { eventHandlers: { succeeded(): void } }];
    eventHandlers.succeeded();
    expect(session.holds).toMatchObject([{ wanted: true }]);
    expect(track.enabled).toBe(false);
  });

  it("hangs up, and stops the microphone when the call is over", async () => {
    const { made, session, now } = await talking();
    made.hangUp();
    expect(session.ended).toBe(true);
    expect(now()).toBeNull();
    expect(track.stop).toHaveBeenCalled();
  });

  it("waits at most half a second for candidates", () => {
    vi.useFakeTimers();
    const { ua, session } = phone();
    ua.emit("newRTCSession", { session });
    const ready = vi.fn();
    session.emit("icecandidate", { ready });
    session.emit("icecandidate", { ready });
    vi.advanceTimersByTime(499);
    expect(ready).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(ready).toHaveBeenCalledTimes(1);
    vi.useRealTimers();
  });

  it("tells a refusal for good from a line that comes back", () => {
    const { ua, lines } = phone();
    ua.emit("registered");
    ua.emit("disconnected");
    ua.emit("registrationFailed", { response: { status_code: 403 } });
    ua.emit("registrationFailed", { response: { status_code: 503 } });
    expect(lines).toEqual(["off", "connecting", "registered", "lost", "refused", "lost"]);
  });

  it("hears nothing from a line that was stopped", () => {
    const { made, ua, lines } = phone();
    made.stop();
    ua.emit("registered");
    expect(lines.at(-1)).toBe("off");
  });
});

describe("the microphone's gate", () => {
  it("is open only while it is neither muted nor held", () => {
    const gate = new MicrophoneGate();
    gate.guard([track as unknown as MediaStreamTrack]);
    gate.set({ muted: true });
    gate.set({ held: true });
    gate.set({ muted: false });
    expect(track.enabled).toBe(false);
    gate.set({ held: false });
    expect(track.enabled).toBe(true);
  });
});
