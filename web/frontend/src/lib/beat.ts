/** One beat every two seconds for everyone who wants it, kept by a worker (see ticker.worker). */
import TickerWorker from "./ticker.worker?worker";

const listeners = new Set<() => void>();
let worker: Worker | null = null;

/** @returns how to stop being called. */
export function onBeat(callback: () => void): () => void {
  if (!worker) {
    worker = new TickerWorker();
    worker.onmessage = () => listeners.forEach((listener) => listener());
  }
  listeners.add(callback);
  return () => listeners.delete(callback);
}
