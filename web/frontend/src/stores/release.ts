/**
 * A page that stayed open over an upgrade: what it did not load before is gone from the server. It
 * is loaded anew, but never during a call, which would be cut off.
 */
import { defineStore } from "pinia";
import { ref } from "vue";

import { isNewer } from "@/lib/screen";

import { usePhone } from "./phone";

export const useRelease = defineStore("release", () => {
  const phone = usePhone();
  /** There is a newer page, and it has to wait for the end of the call. */
  const waits = ref(false);

  /** A part of the page could not be had: after an upgrade, or because the server is away. */
  async function missed(): Promise<void> {
    if (!(await isNewer())) return;
    if (phone.call === null) location.reload();
    else waits.value = true;
  }

  return { waits, missed };
});
