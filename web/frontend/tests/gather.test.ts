import { describe, expect, it } from "vitest";

import { Gather } from "@/lib/gather";

function gathering() {
  const handed: number[][] = [];
  let due: (() => void) | null = null;
  const gather = new Gather<number>(
    250,
    (gathered) => handed.push(gathered),
    (callback) => {
      due = callback;
      return () => (due = null);
    },
  );
  const pass = (): void => {
    const callback = due;
    due = null;
    callback?.();
  };
  return { gather, handed, pass, waits: () => due !== null };
}

describe("gathering", () => {
  it("hands on at once what comes alone", () => {
    const { gather, handed, pass, waits } = gathering();
    gather.add(1);
    expect(handed).toEqual([[1]]);
    pass();
    expect(waits()).toBe(false);
    gather.add(2);
    expect(handed).toEqual([[1], [2]]);
  });

  it("hands on together and in order what comes soon after", () => {
    const { gather, handed, pass } = gathering();
    for (const item of [1, 2, 3]) gather.add(item);
    expect(handed).toEqual([[1]]);
    pass();
    gather.add(4);
    expect(handed).toEqual([[1], [2, 3]]);
    pass();
    expect(handed).toEqual([[1], [2, 3], [4]]);
  });

  it("forgets what waits when it is cleared", () => {
    const { gather, handed, pass } = gathering();
    gather.add(1);
    gather.add(2);
    gather.clear();
    pass();
    gather.add(3);
    expect(handed).toEqual([[1], [3]]);
  });
});
