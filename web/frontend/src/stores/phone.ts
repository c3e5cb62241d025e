/** The softphone in the desk's state: line, microphone, the call in hand, and the ring. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef, watch } from "vue";

import type { SipAccount } from "@/api/types";
import { onWake } from "@/lib/beat";
import type { Device, DeviceKind } from "@/phone/devices";
import { tryMicrophone } from "@/phone/microphone";
import type { LineState, MicrophoneState, Phone, PhoneCall, PhoneTrouble } from "@/phone/phone";
import { RingTone } from "@/phone/ringtone";

import { useDevices } from "./devices";

const AUDIO_ID = "remote-audio";

function remoteAudio(): HTMLAudioElement {
  const known = document.getElementById(AUDIO_ID);
  if (known instanceof HTMLAudioElement) return known;
  const audio = document.createElement("audio");
  audio.id = AUDIO_ID;
  audio.autoplay = true;
  document.body.append(audio);
  return audio;
}

function isSame(one: SipAccount, other: SipAccount): boolean {
  return (["uri", "ws_url", "user", "password"] as const).every((part) => one[part] === other[part]);
}

function warnOnLeave(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export const usePhone = defineStore("phone", () => {
  const line = ref<LineState>("off");
  const microphone = ref<MicrophoneState>("unknown");
  const call = shallowRef<PhoneCall | null>(null);
  const trouble = shallowRef<PhoneTrouble | null>(null);
  const soundBlocked = ref(false);
  const devices = useDevices();
  const ring = new RingTone();
  let phone: Phone | null = null;
  let running: SipAccount | null = null;
  /** Another account, which takes over when the call in hand has ended. */
  let awaited: SipAccount | null = null;
  /** Counts what was begun and stopped: who waited sees whether he was overtaken. */
  let turn = 0;
  let stopWaking = (): void => undefined;
  const prove = (): void => phone?.prove();

  const ringing = computed(() => call.value?.state === "ringing");
  const inCall = computed(() => call.value !== null && !ringing.value);

  function onCall(next: PhoneCall | null): void {
    const before = call.value;
    call.value = next;
    if (next && !before) trouble.value = null;
    if (next && next.state !== "ringing") microphone.value = "granted";
    if (next?.state !== "ringing") stopRinging();
    if (next) window.addEventListener("beforeunload", warnOnLeave);
    else window.removeEventListener("beforeunload", warnOnLeave);
    if (!next && awaited) void start(awaited);
  }

  function onTrouble(next: PhoneTrouble): void {
    trouble.value = next;
    if (next.kind === "microphone") microphone.value = next.cause;
  }

  /**
   * Register; JsSIP is loaded only now, by those who take calls in the browser. To start anew would cut
   * off a call in hand: its phone stays, and another account waits for its end.
   */
  async function start(account: SipAccount): Promise<void> {
    const mine = ++turn;
    const jssip = await import("@/phone/jssip").catch(() => null);
    // It could not be had from the server; the desk tries again. Or something else was begun meanwhile.
    if (!jssip || mine !== turn) return;
    if (call.value !== null) {
      awaited = running && isSame(account, running) ? null : account;
      return;
    }
    stop();
    const made = new jssip.JsSipPhone(
      { line: (state) => (line.value = state), call: onCall, trouble: onTrouble },
      remoteAudio(),
    );
    [phone, running] = [made, account];
    made.start(account);
    stopWaking = onWake(prove);
    window.addEventListener("online", prove);
    await devices.look();
    if (phone === made) await made.useMicrophone(devices.microphone?.id ?? null);
  }

  function stop(): void {
    turn += 1;
    stopWaking();
    window.removeEventListener("online", prove);
    phone?.stop();
    phone = null;
    running = null;
    awaited = null;
    line.value = "off";
  }

  async function checkMicrophone(): Promise<void> {
    microphone.value = await tryMicrophone(devices.microphone?.id ?? null);
    await devices.look();
    if (microphone.value === "granted" && trouble.value?.kind.startsWith("microphone")) {
      trouble.value = null;
    }
  }

  /** What is chosen or plugged in counts at once, in a call too; what was pulled out in one is told. */
  watch(
    () => devices.microphone,
    async (microphoneNow, before) => {
      const unplugged = isGone("microphone", before);
      await phone?.useMicrophone(microphoneNow?.id ?? null);
      if (!microphoneNow || !inCall.value) return;
      if (unplugged) trouble.value = { kind: "microphone_changed", label: microphoneNow.label };
      else if (trouble.value?.kind.startsWith("microphone")) await checkMicrophone();
    },
  );
  watch(
    () => devices.speaker,
    async (speaker, before) => {
      if (devices.speakerCanBeChosen) await remoteAudio().setSinkId(speaker?.id ?? "");
      if (speaker && inCall.value && isGone("speaker", before)) {
        trouble.value = { kind: "speaker_changed", label: speaker.label };
      }
    },
  );

  function isGone(kind: DeviceKind, device: Device | null): boolean {
    return device !== null && !devices.all[kind].some((each) => each.id === device.id);
  }

  function startRinging(): void {
    ring.start();
    soundBlocked.value = ring.blocked;
  }

  function stopRinging(): void {
    ring.stop();
  }

  /** From a click or key on the page: lets the browser play the ring. @returns whether it does. */
  async function unlockSound(): Promise<boolean> {
    if (!(await ring.unlock())) return false;
    soundBlocked.value = false;
    return true;
  }

  async function answer(): Promise<void> {
    await phone?.answer();
  }

  return {
    line,
    microphone,
    call,
    trouble,
    soundBlocked,
    ringing,
    inCall,
    start,
    stop,
    prove,
    register: () => phone?.register(),
    checkMicrophone,
    startRinging,
    stopRinging,
    unlockSound,
    answer,
    reject: () => phone?.reject(),
    hangUp: () => phone?.hangUp(),
    mute: (muted: boolean) => phone?.mute(muted),
    hold: (held: boolean) => phone?.hold(held),
    tones: (keys: string) => phone?.tones(keys),
    dismissTrouble: () => (trouble.value = null),
  };
});
