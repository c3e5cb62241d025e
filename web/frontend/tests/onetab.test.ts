/** The desk in one of several tabs, over locks that work as the browser's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { OneTab, type TabState } from "@/lib/onetab";

type Callback = () => Promise<void>;

/** Web Locks as far as we use them: one holder per name, a queue, stealing, abort. */
class Locks {
  private readonly held = new Map<string, (reason: Error) => void>();
  private readonly queues = new Map<string, (() => void)[]>();

  request(name: string, ...given: [Callback] | [LockOptions, Callback]): Promise<void> {
    const [options, callback] = given.length === 1 ? [{}, given[0]] : given;
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        this.held.set(name, reject);
        void callback().then(() => {
          if (this.held.get(name) === reject) this.next(name);
          resolve();
        });
      };
      if (options.steal) {
        this.held.get(name)?.(new DOMException("stolen", "AbortError"));
        grant();
        return;
      }
      const queue = this.queues.get(name) ?? [];
      this.queues.set(name, [...queue, grant]);
      options.signal?.addEventListener("abort", () => {
        this.queues.set(name, (this.queues.get(name) ?? []).filter((each) => each !== grant));
        reject(new DOMException("given up", "AbortError"));
      });
      if (!this.held.has(name)) this.next(name);
    });
  }

  query(): Promise<{ held: { name: string }[] }> {
    return Promise.resolve({ held: [...this.held.keys()].map((name) => ({ name })) });
  }

  private next(name: string): void {
    this.held.delete(name);
    const [first, ...rest] = this.queues.get(name) ?? [];
    this.queues.set(name, rest);
    first?.();
  }
}

let locks: Locks;

function tab() {
  const states: TabState[] = [];
  const made = new OneTab("desk", (state) => states.push(state), locks as unknown as LockManager);
  return { made, states, now: () => states.at(-1) };
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(500);

beforeEach(() => {
  vi.useFakeTimers();
  locks = new Locks();
});
afterEach(() => vi.useRealTimers());

describe("one tab", () => {
  it("has the desk; the second is told so, and follows when the first is closed", async () => {
    const [first, second] = [tab(), tab()];
    first.made.open();
    second.made.open();
    await settle();
    expect([first.states, second.states]).toEqual([["here"], ["elsewhere"]]);
    first.made.close();
    await settle();
    expect(second.now()).toBe("here");
  });

  it("gives the desk up to a tab that takes over, and gets it back after that", async () => {
    const [first, second] = [tab(), tab()];
    first.made.open();
    second.made.open();
    await settle();
    expect(await second.made.takeOver()).toBe(true);
    await settle();
    expect([first.now(), second.now()]).toEqual(["elsewhere", "here"]);
    second.made.close();
    await settle();
    expect(first.now()).toBe("here");
  });

  it("keeps the desk while it has a call", async () => {
    const [first, second] = [tab(), tab()];
    first.made.open();
    second.made.open();
    await settle();
    first.made.setInCall(true);
    expect(await second.made.takeOver()).toBe(false);
    await settle();
    expect([first.now(), second.now()]).toEqual(["here", "elsewhere"]);
    first.made.setInCall(false);
    await settle();
    expect(await second.made.takeOver()).toBe(true);
  });

  it("is said nothing of a moment's wait: the tab was reloaded", async () => {
    const [before, after] = [tab(), tab()];
    before.made.open();
    after.made.open();
    await vi.advanceTimersByTimeAsync(100);
    before.made.close();
    await settle();
    expect(after.states).toEqual(["here"]);
  });

  it("is every tab where the browser has no locks", () => {
    const states: TabState[] = [];
    const made = new OneTab("desk", (state) => states.push(state), null);
    made.open();
    expect(states).toEqual(["here"]);
  });
});
