/** The microphone and the speaker of this place: what is plugged in, what was chosen. */
import { defineStore } from "pinia";
import { computed, ref, shallowRef } from "vue";

import { devicesOf, keepWish, NO_DEVICES, readWish, taken, type Device, type DeviceKind } from "@/phone/devices";

export const useDevices = defineStore("devices", () => {
  const all = shallowRef(NO_DEVICES);
  const wishes = ref<Record<DeviceKind, Device | null>>({
    microphone: readWish("microphone"),
    speaker: readWish("speaker"),
  });
  let watching = false;

  const microphone = computed(() => taken(all.value.microphone, wishes.value.microphone));
  const speaker = computed(() => taken(all.value.speaker, wishes.value.speaker));
  /** Firefox and Safari before 18.4 always play on the system's own speaker. */
  const speakerCanBeChosen = computed(() => "setSinkId" in HTMLMediaElement.prototype);

  /** Read what is plugged in now, and from then on whenever that changes. */
  async function look(): Promise<void> {
    if (!("mediaDevices" in navigator)) return;
    if (!watching) navigator.mediaDevices.addEventListener("devicechange", () => void look());
    watching = true;
    all.value = devicesOf(await navigator.mediaDevices.enumerateDevices());
  }

  function choose(kind: DeviceKind, id: string): void {
    const device = all.value[kind].find((each) => each.id === id);
    if (!device) return;
    wishes.value[kind] = device;
    keepWish(kind, device);
  }

  return { all, microphone, speaker, speakerCanBeChosen, look, choose };
});
