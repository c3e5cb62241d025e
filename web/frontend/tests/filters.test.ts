/** The box and the address: each follows the other, and typing is not undone by its own echo. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { effectScope, nextTick, ref } from "vue";

import { useTyped } from "@/lib/filters";

const address = ref("");
const set = vi.fn();
let scope = effectScope();

beforeEach(() => {
  vi.useFakeTimers();
  scope = effectScope();
  address.value = "";
  set.mockReset();
});
afterEach(() => {
  scope.stop();
  vi.useRealTimers();
});

const box = () => scope.run(() => useTyped(() => address.value, set, 300)) ?? ref("");

it("sets the filter once, after a pause", async () => {
  const words = box();
  for (const typed of ["w", "wa", "wang "]) {
    words.value = typed;
    await nextTick();
    await vi.advanceTimersByTimeAsync(200);
  }
  expect(set).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(100);
  expect(set.mock.calls).toEqual([["wang"]]);
});

it("follows the address, and asks for nothing then", async () => {
  address.value = "wang";
  const words = box();
  expect(words.value).toBe("wang");
  address.value = "";
  await nextTick();
  expect(words.value).toBe("");
  await vi.advanceTimersByTimeAsync(300);
  expect(set).not.toHaveBeenCalled();
});

it("keeps what is typed while its own words reach the address", async () => {
  const words = box();
  words.value = "wa";
  await nextTick();
  await vi.advanceTimersByTimeAsync(300);
  words.value = "wan";
  address.value = "wa";
  await nextTick();
  expect(words.value).toBe("wan");
  await vi.advanceTimersByTimeAsync(300);
  expect(set).toHaveBeenLastCalledWith("wan");
});
