/** One thing at a time, and what is wished for meanwhile. */
import { expect, it, vi } from "vitest";

import { ApiError } from "@/api/http";
import { useAct } from "@/lib/act";

function held(): { work: () => Promise<void>; go: () => void } {
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  return { work: () => gate, go };
}

it("does not start a second thing while busy", async () => {
  const act = useAct();
  const { work, go } = held();
  const first = act.run(work);
  const second = vi.fn(() => Promise.resolve());
  expect(await act.run(second)).toBe(false);
  go();
  expect(await first).toBe(true);
  expect(second).not.toHaveBeenCalled();
});

it("runs the latest of what has to wait, also after a failure", async () => {
  const act = useAct();
  const { work, go } = held();
  const first = act.run(async () => {
    await work();
    throw new ApiError({ title: "away", status: 503, code: "database_away" });
  });
  const done: string[] = [];
  for (const name of ["dropped", "latest"]) void act.runNext(() => Promise.resolve(done.push(name)));
  go();
  expect(await first).toBe(false);
  await vi.waitFor(() => expect(act.busy.value).toBe(false));
  expect([done, act.problem.value]).toEqual([["latest"], null]);
});
