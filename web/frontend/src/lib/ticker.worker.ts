/** Beats in a worker: a hidden tab's own timers are slowed down to one a minute. */
const PERIOD_MS = 2000;

setInterval(() => self.postMessage(null), PERIOD_MS);
