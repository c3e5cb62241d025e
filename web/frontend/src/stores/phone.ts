/** The softphone in the desk's state: line, microphone, the call in hand, and the ring. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";

import type { SipAccount } from "@/api/types";
import { tryMicrophone } from "@/phone/microphone";
import type { LineState, MicrophoneState, Phone, PhoneCall, PhoneTrouble } from "@/phone/phone";
import { RingTone } from "@/phone/ringtone";

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

function warnOnLeave(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

export const usePhone = defineStore("phone", () => {
  const line = ref<LineState>("off");
  const microphone = ref<MicrophoneState>("unknown");
  const call = shallowRef<PhoneCall | null>(null);
  const trouble = shallowRef<PhoneTrouble | null>(null);
  const soundBlocked = ref(false);
  const ring = new RingTone();
  let phone: Phone | null = null;

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
  }

  function onTrouble(next: PhoneTrouble): void {
    trouble.value = next;
    if (next.kind === "microphone") microphone.value = next.cause;
  }

  /** Register; JsSIP is loaded only now, by those who take calls in the browser. */
  async function start(account: SipAccount): Promise<void> {
    const { JsSipPhone } = await import("@/phone/jssip");
    stop();
    phone = new JsSipPhone(
      { line: (state) => (line.value = state), call: onCall, trouble: onTrouble },
      remoteAudio(),
    );
    phone.start(account);
  }

  function stop(): void {
    phone?.stop();
    phone = null;
    line.value = "off";
  }

  async function checkMicrophone(): Promise<void> {
    microphone.value = await tryMicrophone();
    if (microphone.value === "granted" && trouble.value?.kind.startsWith("microphone")) {
      trouble.value = null;
    }
  }

  function startRinging(): void {
    ring.start();
    soundBlocked.value = ring.blocked;
  }

  function stopRinging(): void {
    ring.stop();
  }

  /** From the first click or key on the page: lets the browser play the ring. */
  function unlockSound(): void {
    ring.unlock();
    soundBlocked.value = false;
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
