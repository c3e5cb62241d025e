/**
 * One beat every two seconds for everyone who wants it, kept by a worker (see ticker.worker), and
 * the news that the machine slept: then every connection may be dead without having been closed.
 */
import TickerWorker from "./ticker.worker?worker";

/** A beat this late was no busy moment. Measured on the wall's clock: others stand still in sleep. */
const SLEPT_MS = 6000;

const listeners = new Set<() => void>();
const sleepers = new Set<() => void>();
let worker: Worker | null = null;
let beatAt = 0;

function beat(): void {
  const at = Date.now();
  const slept = at - beatAt > SLEPT_MS;
  beatAt = at;
  if (slept) sleepers.forEach((sleeper) => sleeper());
  listeners.forEach((listener) => listener());
}

function listen(to: Set<() => void>, callback: () => void): () => void {
  if (!worker) {
    beatAt = Date.now();
    worker = new TickerWorker();
    worker.onmessage = beat;
  }
  to.add(callback);
  return () => to.delete(callback);
}

/** @returns how to stop being called. */
export function onBeat(callback: () => void): () => void {
  return listen(listeners, callback);
}

/** Calls back within two seconds after a sleep, before the beat. @returns how to stop being called. */
export function onWake(callback: () => void): () => void {
  return listen(sleepers, callback);
}
