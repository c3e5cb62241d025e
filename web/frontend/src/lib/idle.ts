/** Call back when the page has nothing else to do, or after so long; returns how to cancel. */
export function whenIdle(callback: () => void, latestMs: number): () => void {
  if ("requestIdleCallback" in window) {
    const handle = requestIdleCallback(callback, { timeout: latestMs });
    return () => cancelIdleCallback(handle);
  }
  const timer = setTimeout(callback, latestMs / 4); // Safari
  return () => clearTimeout(timer);
}
