/** A screen that nobody touches: fills the display and does not go to sleep. */
import { onBeforeUnmount, onMounted, readonly, ref, type Ref } from "vue";

/** Whether the page fills the display, and how to change that. */
export function useFullScreen(): { full: Readonly<Ref<boolean>>; toggle: () => Promise<void> } {
  const full = ref(document.fullscreenElement !== null);
  const follow = (): void => {
    full.value = document.fullscreenElement !== null;
  };
  onMounted(() => document.addEventListener("fullscreenchange", follow));
  onBeforeUnmount(() => document.removeEventListener("fullscreenchange", follow));
  async function toggle(): Promise<void> {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen();
  }
  return { full: readonly(full), toggle };
}

/** Whether the server hands out another page than this one; no where it is away. */
export async function isNewer(): Promise<boolean> {
  const entry = document.querySelector("script[type=module][src]")?.getAttribute("src");
  try {
    const answer = await fetch("/", { cache: "no-store" });
    return entry != null && answer.ok && !(await answer.text()).includes(entry);
  } catch {
    return false;
  }
}

/** Load the page anew where the server hands out another one: nobody presses a key here. */
export async function reloadIfNewer(): Promise<void> {
  if (await isNewer()) location.reload();
}

/** Keep the display on while the page is seen; browsers without a wake lock go on without. */
export function useWakeLock(): void {
  let lock: WakeLockSentinel | null = null;
  const hold = async (): Promise<void> => {
    if (document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
    try {
      lock = await navigator.wakeLock.request("screen");
    } catch {
      lock = null; // Refused, on a low battery for instance: the wall still shows what it shows.
    }
  };
  onMounted(() => {
    void hold();
    document.addEventListener("visibilitychange", hold);
  });
  onBeforeUnmount(() => {
    document.removeEventListener("visibilitychange", hold);
    void lock?.release();
  });
}
